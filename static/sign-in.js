// Signs one GetCallerIdentity request (AWS Signature Version 4) with the key that was typed.
// Key id, signature and session token go to our server, which writes the same request and sends it
// to STS. The secret access key goes nowhere. The header list below and backups/aws/identity.py must agree.
(() => {
  "use strict";
  const BODY = "Action=GetCallerIdentity&Version=2011-06-15";
  const CONTENT_TYPE = "application/x-www-form-urlencoded; charset=utf-8";
  const utf8 = new TextEncoder();
  const form = document.getElementById("sign-in");
  const keyId = document.getElementById("key-id");
  const secret = document.getElementById("secret");
  const token = document.getElementById("token");
  const button = document.getElementById("go");
  const answer = document.getElementById("answer");

  const say = (text, kind) => {
    answer.textContent = text;
    answer.className = "note" + (kind ? " " + kind : "");
    answer.hidden = !text;
  };
  const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const sha256 = async (text) => hex(await crypto.subtle.digest("SHA-256", utf8.encode(text)));

  // HMAC-SHA256; the key's bytes are overwritten as soon as the browser has taken them.
  const hmac = async (bytes, text) => {
    const key = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    bytes.fill(0);
    return new Uint8Array(await crypto.subtle.sign("HMAC", key, utf8.encode(text)));
  };

  const sign = async (asked, secretBytes, sessionToken) => {
    const headers = {
      "content-type": CONTENT_TYPE,
      host: asked.host,
      "x-amz-date": asked.date,
      "x-cognito-admin-nonce": asked.nonce,
      "x-cognito-admin-server-id": asked.serverId,
    };
    if (sessionToken) headers["x-amz-security-token"] = sessionToken;
    const names = Object.keys(headers).sort();
    const lines = names.map((name) => name + ":" + headers[name] + "\n").join("");
    const request = ["POST", "/", "", lines, names.join(";"), await sha256(BODY)].join("\n");
    const day = asked.date.slice(0, 8);
    const scope = [day, asked.region, "sts", "aws4_request"];
    const text = ["AWS4-HMAC-SHA256", asked.date, scope.join("/"), await sha256(request)].join("\n");
    let key = secretBytes;
    for (const step of scope) key = await hmac(key, step);
    return hex(await hmac(key, text));
  };

  const post = async (url, value) => {
    const headers = {
      "Content-Type": "application/json",
      "X-CSRFToken": form.querySelector("[name=csrfmiddlewaretoken]").value,
    };
    const response = await fetch(url, {
      method: "POST", headers, body: JSON.stringify(value), credentials: "same-origin", redirect: "error",
    });
    if ((response.headers.get("Content-Type") || "").startsWith("application/json")) return response.json();
    return { ok: false, message: "The server did not answer as it should. Reload this page, then try again." };
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    say("Asking AWS who you are…");
    const id = keyId.value.trim();
    const sessionToken = token.value.trim();
    const secretBytes = utf8.encode("AWS4" + secret.value.trim());
    try {
      const asked = await post(form.dataset.challenge, {});
      if (!asked.nonce) { say(asked.message, "bad"); return; }
      const proof = { nonce: asked.nonce, keyId: id, signature: await sign(asked, secretBytes, sessionToken) };
      if (sessionToken) proof.sessionToken = sessionToken;
      const result = await post(form.dataset.proof, proof);
      if (result.ok) {
        secret.value = token.value = "";
        say("Signed in.");
        location.assign(result.next);
        return;
      }
      say(result.message + (result.detail ? " " + result.detail : ""), "bad");
    } catch {
      say("The server cannot be reached. Check your connection, then try again.", "bad");
    } finally {
      secretBytes.fill(0);
      secret.value = token.value = "";
      button.disabled = false;
    }
  });

  if (!window.isSecureContext || !window.crypto || !crypto.subtle) {
    say("Signing in needs https, or localhost: the browser signs only there. Open this page over https.", "bad");
    return;
  }
  button.disabled = false;
})();
