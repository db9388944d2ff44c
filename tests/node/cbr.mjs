// cbr's own functions against a Cognito: one JSON on stdout of what cbr says.
//
//     cd <where the packages are> && node <here>/cbr.mjs backup POOL FOLDER
//                                    node <here>/cbr.mjs restore POOL FILE [PASSWORD]
//
// {kept: whether the promise was kept, failures: [{code, message}], lines: [what it printed]}

import { writeSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`); // the packages are not beside this file
require("aws-sdk/lib/maintenance_mode_message").suppress = true;
const { CognitoIdentityServiceProvider } = require("aws-sdk");
const { backupUsers, restoreUsers } = require("cognito-backup-restore");

const [verb, pool, path, password] = process.argv.slice(2);
const said = { kept: false, failures: [], lines: [] };
const failed = ({ code, message }) => said.failures.push({ code: code ?? "", message });
console.log = console.error = (...words) => said.lines.push(words.join(" "));
// restoreUsers keeps its promise before it creates the first user: a failure after that reaches nobody,
// and ends the process of whoever runs cbr. Here it is written down.
process.on("unhandledRejection", failed);
process.on("exit", () => writeSync(1, `${JSON.stringify(said)}\n`));

// The SDK that cbr runs on knows no environment variable for this one.
const cognito = new CognitoIdentityServiceProvider({
  endpoint: process.env.AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER,
});
try {
  if (verb === "backup") await backupUsers(cognito, pool, path);
  else await restoreUsers(cognito, pool, path, password);
  said.kept = true;
} catch (error) {
  failed(error);
}
