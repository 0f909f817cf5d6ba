// A dialer's loop with openapi-fetch, and types that openapi-typescript made of our document: claim, report, note.
import createClient from "openapi-fetch";
import type { paths } from "./made.js";

const { ROOT = "", KEY = "" } = process.env;
const client = createClient<paths>({ baseUrl: ROOT, headers: { "X-ApiKey": KEY } });

function right<T>(reply: { data?: T; error?: { code: string; detail: string } }): T {
  if (reply.data === undefined) throw new Error(`${reply.error?.code}: ${reply.error?.detail}`);
  return reply.data;
}

const query = { Campaign: "Intake follow-up", Records: 10 };
const due = right(await client.GET("/PredictiveDialer/GetCasesToDial", { params: { query } }));
const told = await client.POST("/PredictiveDialer/GetCasesToDial", {
  body: { Campaign: "Intake follow-up", Records: 3, "Auto-change": true },
  params: { header: { "Idempotency-Key": crypto.randomUUID(), "X-Claim-Seconds": 600 } },
});
const cases = right(told);
const claim = told.response.headers.get("X-Claim-Id") ?? "";
const header = { "X-Claim-Id": claim };
for (const { CaseID, Attempts } of cases.slice(0, 2)) {
  const item = {
    CaseID,
    Status: "To Dial",
    NextCall: "2031-05-06T09:00:00",
    Attempts: Number(Attempts || 0) + 1,
    Disposition: "No Answer",
  };
  const reported = right(
    await client.POST("/PredictiveDialer/UpdateCaseStatus", { body: { Cases: [item] }, params: { header } }),
  );
  const noted = right(
    await client.POST("/PredictiveDialer/AddCaseNote", { body: { CaseID, Note: "Left a message." } }),
  );
  if (reported.Succeeded !== 1 || noted.Succeeded !== 1) throw new Error("neither reported nor noted");
}
const last = cases[2]!;
const byPhone = right(
  await client.POST("/PredictiveDialer/AddCaseNoteByPhone", {
    body: { Phone: last.Phones[0]!.Phone, Note: "Called in." },
  }),
);
const released = right(await client.POST("/PredictiveDialer/ReleaseClaim", { body: { ClaimID: claim } }));
const refused = await client.GET("/PredictiveDialer/GetCaseInfo", { params: { query: { CaseID: 999 } } });
const late = await client.POST("/PredictiveDialer/UpdateCaseStatus", {
  body: { Cases: [{ CaseID: last.CaseID, Attempts: 9 }] },
  params: { header },
});
const later = right(await client.GET("/v1/preflight", { params: { query: { Campaign: "Intake follow-up" } } }));

console.log(
  JSON.stringify({
    due: due.length,
    claimed: cases.map((one) => one.CaseID),
    noted_by_phone: byPhone.Results.map((one) => one.CaseID),
    released: released.Succeeded,
    refused: refused.error?.code,
    late: late.error?.code,
    due_later: later.Due,
  }),
);
