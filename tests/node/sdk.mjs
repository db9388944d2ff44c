// What AWS's SDK for JavaScript sees of a Cognito: one JSON on stdout.
//
//     cd <where the packages are> && node <here>/sdk.mjs
//
// The SDK is as it comes: endpoint, Region and keys are from AWS's own environment variables.

import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`); // the packages are not beside this file
const sdk = require("@aws-sdk/client-cognito-identity-provider");
const { CognitoIdentityProvider, paginateListUsers, paginateListUsersInGroup } = sdk;

const USERS = 130; // more than two pages of 60
const FIRST = "First-password-2026";
const OWN = "A-password-of-my-own-2026";

const admin = new CognitoIdentityProvider({});
const visitor = new CognitoIdentityProvider({
  credentials: () => Promise.reject(new Error("a visitor has no credentials, and none may be asked for")),
});

const attributes = (values) => Object.entries(values).map(([Name, Value]) => ({ Name, Value }));
const values = (list) => Object.fromEntries(list.map(({ Name, Value }) => [Name, Value]));

async function refusal(call) {
  try {
    await call;
  } catch (error) {
    return {
      name: error.name,
      typed: sdk[error.name] !== undefined && error instanceof sdk[error.name],
      status: error.$metadata?.httpStatusCode ?? 0,
      message: error.message,
    };
  }
  return null;
}

async function pagesOf(paginate, input, pageSize) {
  const pages = [];
  // a paginator writes its token into what it is given: it is given a copy
  for await (const page of paginate({ client: admin, pageSize }, { ...input }))
    pages.push(page.Users.map((user) => user.Username));
  return pages;
}

// --- a pool, and a client of it

const { UserPool } = await admin.createUserPool({
  PoolName: "seen-from-javascript",
  UsernameAttributes: ["email"],
  UsernameConfiguration: { CaseSensitive: false },
});
const pool = { UserPoolId: UserPool.Id };
const { UserPoolClient } = await admin.createUserPoolClient({
  ...pool,
  ClientName: "web",
  ExplicitAuthFlows: ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
});
const ClientId = UserPoolClient.ClientId;

// --- users, and every page of them

const created = [];
for (let n = 0; n < USERS; n += 1) {
  const email = `user${n}@uni.example`;
  const { User } = await admin.adminCreateUser({
    ...pool,
    Username: email,
    UserAttributes: attributes({ email, email_verified: "true", name: `Ada “${n}” 日本` }),
    MessageAction: "SUPPRESS",
    TemporaryPassword: FIRST,
  });
  created.push(User.Username);
}
const pages = await pagesOf(paginateListUsers, pool, 60);
const filtered = await admin.listUsers({ ...pool, Filter: 'email = "user7@uni.example"' });

// --- a group, a password, and the user read back

const [Username] = created;
await admin.createGroup({ ...pool, GroupName: "admins", Precedence: 3 });
await admin.adminAddUserToGroup({ ...pool, Username, GroupName: "admins" });
const members = await pagesOf(paginateListUsersInGroup, { ...pool, GroupName: "admins" });
await admin.adminSetUserPassword({ ...pool, Username, Password: OWN, Permanent: true });
const read = await admin.adminGetUser({ ...pool, Username });

// --- what is refused

const again = { ...pool, Username: "user0@uni.example", MessageAction: "SUPPRESS" };
const refused = {
  twice: await refusal(admin.adminCreateUser(again)),
  no_pool: await refusal(admin.describeUserPool({ UserPoolId: "eu-west-1_Nothing01" })),
  no_user: await refusal(admin.adminGetUser({ ...pool, Username: "nobody@uni.example" })),
  no_email: await refusal(admin.adminCreateUser({ ...again, Username: "no-address" })),
  page_of_61: await refusal(admin.listUsers({ ...pool, Limit: 61 })),
};

// --- a visitor signs up; somebody created signs in for the first time

const signedUp = await visitor.signUp({
  ClientId,
  Username: "visitor@uni.example",
  Password: OWN,
  UserAttributes: attributes({ email: "visitor@uni.example" }),
});
const unconfirmed = await admin.adminGetUser({ ...pool, Username: "visitor@uni.example" });

const USERNAME = "user1@uni.example";
const signIn = (PASSWORD) =>
  visitor.initiateAuth({ ClientId, AuthFlow: "USER_PASSWORD_AUTH", AuthParameters: { USERNAME, PASSWORD } });
refused.wrong_password = await refusal(signIn("Not-the-password-2026"));
const challenge = await signIn(FIRST);
const answered = await visitor.respondToAuthChallenge({
  ClientId,
  ChallengeName: challenge.ChallengeName,
  Session: challenge.Session,
  ChallengeResponses: { USERNAME, NEW_PASSWORD: OWN },
});
const confirmed = await admin.adminGetUser({ ...pool, Username: USERNAME });

// --- everything goes again

const all = await pagesOf(paginateListUsers, pool);
for (const Username of all.flat()) await admin.adminDeleteUser({ ...pool, Username });
const left = await pagesOf(paginateListUsers, pool);
await admin.deleteUserPool(pool);
refused.deleted_pool = await refusal(admin.describeUserPool(pool));

console.log(
  JSON.stringify({
    pool: UserPool.Id,
    username_attributes: UserPool.UsernameAttributes,
    created,
    pages,
    filtered: filtered.Users.map((user) => user.Username),
    members: members.flat(),
    read: {
      Username: read.Username,
      UserStatus: read.UserStatus,
      Enabled: read.Enabled,
      UserCreateDate: read.UserCreateDate, // a Date where the SDK could read it
      attributes: values(read.UserAttributes),
    },
    refused,
    signed_up: { sub: signedUp.UserSub, confirmed: signedUp.UserConfirmed, status: unconfirmed.UserStatus },
    challenge: challenge.ChallengeName,
    tokens: Object.keys(answered.AuthenticationResult).sort(),
    status_after_challenge: confirmed.UserStatus,
    deleted: all.flat().length,
    left: left.flat(),
  }),
);
