// The official node SDK against the site door of a sandbox: one JSON object on stdout says what it met.
"use strict";
const Chargebee = require("chargebee");

const [host, port, apiKey, price, calls] = process.argv.slice(2);
const sdk = new Chargebee({ site: host, hostSuffix: "", protocol: "http", port: Number(port), apiPath: "/api/v2", apiKey });

async function all(list, params) {
  const rows = [];
  const asked = { ...params };
  for (;;) {
    const page = await list(asked);
    rows.push(...page.list);
    if (page.next_offset === undefined) return rows;
    asked.offset = page.next_offset;
  }
}

async function failure(call) {
  try {
    await call();
  } catch (error) {
    return [error.http_status_code, error.api_error_code, error.param ?? null];
  }
  return null;
}

async function lists() {
  const found = {};
  for (const [model, method, main, params] of JSON.parse(calls)) {
    const resource = sdk[model];
    if (resource === undefined || resource[method] === undefined) continue;
    const rows = await all((asked) => resource[method](asked), params);
    found[`${model}.${method}`] = [rows.length, rows.every((row) => row[main] !== undefined)];
  }
  return found;
}

async function main() {
  const ids = async (params) => (await all((asked) => sdk.customer.list(asked), params)).map((row) => row.customer.id);
  const paged = { seven: await ids({ limit: 7 }), hundred: await ids({ limit: 100 }) };
  const filtered = (
    await all((asked) => sdk.subscription.list(asked), { limit: 100, status: { in: ["active", "in_trial"] } })
  ).map((row) => row.subscription.id);
  const { customer } = await sdk.customer.create({ first_name: "Ada", billing_address: { city: "London", country: "GB" } });
  const { subscription } = await sdk.subscription.createWithItems(customer.id, {
    subscription_items: [{ item_price_id: price, quantity: 2 }],
  });
  const kept = (await sdk.subscription.retrieve(subscription.id)).subscription;
  const { comment } = await sdk.comment.create({ entity_type: "customer", entity_id: customer.id, notes: "Hello" });
  const comments = (await sdk.comment.list({ entity_type: "customer", entity_id: customer.id })).list;
  const errors = {
    taken: await failure(() => sdk.customer.create({ id: "cust_1" })),
    absent: await failure(() => sdk.customer.retrieve("nobody")),
    catalog: await failure(() => sdk.plan.list({})),
  };
  const key = { "chargebee-idempotency-key": "once" };
  const first = await sdk.customer.create({ first_name: "Once" }, key);
  const again = await sdk.customer.create({ first_name: "Once" }, key);
  errors.reused = await failure(() => sdk.customer.create({ first_name: "Twice" }, key));
  const created = {
    city: customer.billing_address.city,
    owner: subscription.customer_id === customer.id,
    quantity: kept.subscription_items[0].quantity,
    comments: comments.map((row) => row.comment.id).join() === comment.id,
  };
  const replay = {
    same: first.customer.id === again.customer.id,
    flags: [first.isIdempotencyReplayed, again.isIdempotencyReplayed].map((flag) => flag === true || flag === "true"),
  };
  return { paged, filtered, created, errors, replay };
}

(calls === undefined ? main() : lists()).then(
  (found) => console.log(JSON.stringify(found)),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
