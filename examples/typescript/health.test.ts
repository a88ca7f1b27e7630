/** What `health.ts` promises, over real sockets. */

import assert from "node:assert/strict";
import { createServer, request, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createHealth, Degraded, type HealthOptions } from "./health.ts";

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  body: any;
}

type Ask = (method?: string, path?: string, headers?: OutgoingHttpHeaders) => Promise<Answer>;

/** Serves health in front of something that answers 418, while `use` runs. */
async function serve(options: Partial<HealthOptions>, use: (ask: Ask, health: ReturnType<typeof createHealth>) => Promise<void>): Promise<void> {
  const health = createHealth({ version: "1.2.3", ...options });
  const server = createServer((request, response) => health(request, response, () => response.writeHead(418).end()));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  try {
    await use((method = "GET", path = "/health", headers = {}) => ask(port, method, path, headers), health);
  } finally {
    server.close();
  }
}

/** One request on a connection of its own. */
function ask(port: number, method: string, path: string, headers: OutgoingHttpHeaders): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, method, path, headers, agent: false }, async (response) => {
      const text = Buffer.concat(await response.toArray()).toString();
      const body = text.startsWith("{") ? JSON.parse(text) : undefined;
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text, body });
    });
    asked.on("error", reject).end();
  });
}

const HEALTH_JSON = "application/health+json";
const fine = () => {};
const refused = async () => {
  throw new Error("connection refused");
};
const impaired = () => {
  throw new Degraded("two replicas of three");
};

describe("an answer", () => {
  it("has the fields, the headers, and the time", () =>
    serve({ checks: { database: fine } }, async (ask) => {
      const before = Date.now();
      const { status, headers, body } = await ask();
      assert.equal(status, 200);
      assert.equal(headers["content-type"], "application/json");
      assert.equal(headers["cache-control"], "no-store");
      const { timestamp, uptime_seconds, ...rest } = body;
      assert.deepEqual(rest, { status: "ok", version: "1.2.3", checks: { database: "ok" }, metadata: {} });
      assert.ok(Number.isInteger(uptime_seconds) && uptime_seconds >= 0);
      assert.match(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);
      assert.ok(before <= Date.parse(timestamp) && Date.parse(timestamp) <= before + 5000);
    }));

  it("has a time that goes on, although results are kept", () =>
    serve({ checks: { database: fine } }, async (ask) => {
      const first = await ask();
      await sleep(1100);
      const second = await ask();
      assert.ok(second.body.uptime_seconds > first.body.uptime_seconds);
      assert.ok(second.body.timestamp > first.body.timestamp);
    }));

  it("has the type that Accept names", () =>
    serve({}, async (ask) => {
      const cases: [string, string][] = [
        [HEALTH_JSON, HEALTH_JSON],
        ["text/html, Application/Health+JSON ; q=0.5", HEALTH_JSON],
        ["*/*", "application/json"],
        ["application/*", "application/json"],
        ["application/health+jsonp", "application/json"],
      ];
      for (const [accept, type] of cases) {
        const answer = await ask("GET", "/health", { accept });
        assert.equal(answer.headers["content-type"], type, accept);
        assert.equal(answer.body.status, "ok");
      }
    }));

  it("to HEAD is that to GET without a body", () =>
    serve({ checks: { database: refused } }, async (ask) => {
      for (const path of ["/health", "/"]) {
        const [get, head] = [await ask("GET", path, { accept: HEALTH_JSON }), await ask("HEAD", path, { accept: HEALTH_JSON })];
        assert.deepEqual([head.status, head.headers["content-type"], head.text], [503, HEALTH_JSON, ""]);
        assert.deepEqual([get.status, get.headers["content-type"], get.body.status], [503, HEALTH_JSON, "down"]);
      }
    }));

  it("to another method is 405", () =>
    serve({}, async (ask) => {
      for (const method of ["POST", "PUT", "DELETE"]) {
        const { status, headers } = await ask(method);
        assert.deepEqual([status, headers.allow], [405, "GET, HEAD"]);
      }
    }));

  it("does not depend on the query, nor on the host", () =>
    serve({}, async (ask) => {
      const { body } = await ask("GET", "/health?verbose=1&x=%00", { host: "elsewhere.example:1" });
      assert.equal(body.status, "ok");
    }));

  it("is given to health requests alone", () =>
    serve({}, async (ask) => {
      assert.equal((await ask("GET", "/", { accept: "*/*" })).status, 418);
      assert.equal((await ask("POST", "/", { accept: HEALTH_JSON })).status, 418);
      assert.equal((await ask("POST", "/mcp", { accept: HEALTH_JSON })).status, 418);
      assert.equal((await ask("GET", "/healthy")).status, 418);
    }));

  it("says that the server drains", () =>
    serve({ checks: { database: fine } }, async (ask, health) => {
      assert.equal((await ask()).status, 200);
      health.metadata.draining = true;
      const { status, body } = await ask();
      assert.deepEqual([status, body.status, body.metadata], [503, "ok", { draining: true }]);
    }));
});

describe("what cannot be JSON", () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);

  it("is left out of metadata", async () => {
    for (const odd of [1n, cycle]) {
      await serve({ checks: { database: fine } }, async (ask, health) => {
        Object.assign(health.metadata, { odd, region: "north" });
        const { status, body } = await ask();
        assert.deepEqual([status, body.status, body.checks], [200, "ok", { database: "ok" }]);
        assert.deepEqual(body.metadata, { draining: false, note: "the rest is left out: it cannot be JSON" });
        health.metadata.draining = true;
        const draining = await ask();
        assert.deepEqual([draining.status, draining.body.metadata.draining], [503, true]);
        delete health.metadata.odd;
        assert.deepEqual((await ask()).body.metadata, { region: "north", draining: true });
      });
    }
  });

  it("is made well-formed where it is half a character", () =>
    serve({}, async (ask, health) => {
      health.metadata.file = "\ud83d";
      assert.deepEqual((await ask()).body.metadata, { file: "\ufffd" });
    }));

  it("is 503 elsewhere, and the server goes on", () =>
    serve({ version: 1n as never }, async (ask) => {
      assert.deepEqual([(await ask()).status, (await ask()).status, (await ask("GET", "/mcp")).status], [503, 503, 418]);
    }));
});

describe("a check", () => {
  it("that fails is down, and says why", () =>
    serve({ checks: { database: refused, disk: fine } }, async (ask) => {
      const { status, body } = await ask();
      assert.equal(status, 503);
      assert.equal(body.status, "down");
      assert.deepEqual(body.checks, { database: "down", disk: "ok" });
      assert.equal(body.error, "database: connection refused");
    }));

  it("that is degraded is still 200", () =>
    serve({ checks: { database: impaired } }, async (ask) => {
      const { status, body } = await ask();
      assert.deepEqual([status, body.status, body.error], [200, "degraded", "database: two replicas of three"]);
    }));

  it("that is the worst counts, and every reason is given", () => {
    const odd = () => {
      throw "odd";
    };
    return serve({ checks: { cache: impaired, database: refused, queue: odd, disk: () => false } }, async (ask) => {
      const { body } = await ask();
      assert.equal(body.status, "down");
      assert.deepEqual(body.checks, { cache: "degraded", database: "down", queue: "down", disk: "down" });
      assert.equal(body.error, "cache: two replicas of three; database: connection refused; queue: odd; disk: failed");
    });
  });

  it("has a short reason", () => {
    const verbose = () => {
      throw new Error("x".repeat(100_000));
    };
    return serve({ checks: { database: verbose } }, async (ask) => assert.ok((await ask()).text.length < 1000));
  });

  it("may throw whatever it likes", () => {
    const throwing = (thrown: unknown) => () => {
      throw thrown;
    };
    const revoked = Proxy.revocable({}, {});
    revoked.revoke();
    const checks = {
      bare: throwing(Object.create(null)),
      bare_message: throwing(Object.assign(new Error(), { message: Object.create(null) })),
      revoked: async () => throwing(revoked.proxy)(),
      nothing: throwing(undefined),
      symbol: throwing(Symbol("s")),
      half: throwing(new Error("\ud83d is half")),
      disk: fine,
    };
    return serve({ checks, cacheMs: 0 }, async (ask) => {
      for (const _ of [1, 2]) {
        const { status, body } = await ask();
        assert.equal(status, 503);
        assert.deepEqual(new Set(Object.values(body.checks)), new Set(["down", "ok"]));
        assert.equal(body.checks.disk, "ok");
        const said = ["bare: failed", "bare_message: failed", "revoked: failed", "nothing: undefined", "symbol: Symbol(s)", "half: \ufffd is half"];
        assert.equal(body.error, said.join("; "));
      }
    });
  });

  it("has a reason that is not cut within a character", async () => {
    for (const before of ["", "x"]) {
      const long = () => {
        throw new Error(before + "😀".repeat(300));
      };
      await serve({ checks: { database: long } }, async (ask) => {
        assert.equal((await ask()).body.error, `database: ${before}${"😀".repeat(200 - before.length)}`);
      });
    }
  });

  it("has a name of a-z and _", () => {
    for (const name of ["", "Database", "disk-2", "disk space", "disk\n", "7", "café"]) {
      const message = `the name of a check is of a-z and _, not ${JSON.stringify(name)}`;
      assert.throws(() => createHealth({ version: "1.2.3", checks: { database: fine, [name]: fine } }), { message });
    }
  });

  it("that hangs is down in time, is not started again, and may come back", () => {
    let started = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    const hang = () => {
      started += 1;
      return promise;
    };
    return serve({ checks: { database: hang }, timeoutMs: 200, cacheMs: 0 }, async (ask) => {
      const began = performance.now();
      const [asked, other] = [Promise.all([ask(), ask(), ask()]), await ask("GET", "/mcp")];
      assert.equal(other.status, 418);
      for (const { status, body } of await asked) {
        assert.equal(status, 503);
        assert.equal(body.error, "database: no result within 0.2 s");
      }
      assert.equal((await ask()).status, 503);
      assert.ok(performance.now() - began < 3000);
      assert.equal(started, 1);
      resolve();
      await sleep(10);
      assert.equal((await ask()).status, 200);
    });
  });

  it("is told by its signal when its time is up, and then runs anew", () => {
    let started = 0;
    const patient = async (signal: AbortSignal) => {
      started += 1;
      await sleep(60_000, undefined, { signal });
    };
    return serve({ checks: { database: patient }, timeoutMs: 100, cacheMs: 0 }, async (ask) => {
      assert.equal((await ask()).body.error, "database: no result within 0.1 s");
      assert.equal((await ask()).body.error, "database: no result within 0.1 s");
      assert.equal(started, 2);
    });
  });

  it("runs once for many monitors", () => {
    let runs = 0;
    const counted = async () => {
      runs += 1;
      await sleep(50);
    };
    return serve({ checks: { database: counted }, cacheMs: 1000 }, async (ask) => {
      const answers = await Promise.all(Array.from({ length: 10 }, () => ask()));
      assert.deepEqual(new Set(answers.map(({ body }) => body.status)), new Set(["ok"]));
      assert.equal(runs, 1);
      await sleep(1100);
      await ask();
      assert.equal(runs, 2);
    });
  });
});
