// Calls STS with the AWS SDK for JavaScript v2, once for each line it reads.
const { createInterface } = require("node:readline");
const STS = require("aws-sdk/clients/sts");

const client = new STS({ endpoint: process.env.ENDPOINT });
(async () => {
  for await (const _ of createInterface({ input: process.stdin })) {
    try {
      console.log("ok", (await client.getCallerIdentity({}).promise()).Arn);
    } catch (error) {
      console.log("error", JSON.stringify(String(error)));
    }
  }
})();
