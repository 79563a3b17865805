// Calls STS with the AWS SDK for JavaScript v3, once for each line it reads.
import { createInterface } from "node:readline";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

const client = new STSClient({ endpoint: process.env.ENDPOINT });
for await (const _ of createInterface({ input: process.stdin })) {
  try {
    console.log("ok", (await client.send(new GetCallerIdentityCommand({}))).Arn);
  } catch (error) {
    console.log("error", JSON.stringify(String(error)));
  }
}
