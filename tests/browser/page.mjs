// The demo's page in Chromium: every protocol that a browser speaks, against the real gateway.
//
// Two demos run: the page of the first is used as a reader would, and then tries to call the
// second, which is another origin.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const PATIENCE = 20_000;
const running = [];

/** Starts a demo; gives its address and the lines of its access log as they come. */
async function demo() {
  const child = spawn(process.env.TRANSOM, ["demo", "--listen", "127.0.0.1:0"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  running.push(child);
  for await (const line of createInterface({ input: child.stderr })) {
    const address = line.match(/listening on (http:\/\/[\d.:]+)/);
    if (address) return address[1];
  }
  throw new Error("the demo ended before it listened");
}

const tests = {
  async "fetch lists the books"(page) {
    await page.click("#rest button");
    await page.waitForSelector("#rest li:has-text('Letters on the Hall Floor, by')");
  },

  async "EventSource shows books as they come, and leaving cancels the call"(page, address) {
    await page.click("#events button:first-of-type");
    await page.waitForSelector("#events li");
    const title = `New at ${Date.now()}`;
    const made = await fetch(`${address}/v1/shelves/fiction/books`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ title }),
    });
    assert.equal(made.status, 201);
    await page.waitForSelector(`#events li:has-text('${title}')`);
    await page.click("#events button:last-of-type");
  },

  async "WebSocket talks both ways"(page) {
    await page.fill("#socket input", "hello there");
    await page.click("#socket button");
    await page.waitForSelector("#socket li:has-text('hello there')");
    await page.fill("#socket input", "and again");
    await page.click("#socket button");
    await page.waitForSelector("#socket li:has-text('and again')");
  },

  async "both WebSocket subprotocols are agreed on"(page) {
    const agreed = (names) =>
      page.evaluate(async (names) => {
        const url = `${location.origin.replace("http", "ws")}/v1/shelves/fiction/books/letters:chat`;
        const socket = new WebSocket(url, names);
        socket.binaryType = "arraybuffer";
        await new Promise((open, fail) => ((socket.onopen = open), (socket.onerror = fail)));
        // ChatMessage { text: "hi" }, and the half-close.
        socket.send(names[0] === "transom.proto" ? new Uint8Array([0x12, 2, 0x68, 0x69]) : '{"text":"hi"}');
        const { data } = await new Promise((come) => (socket.onmessage = come));
        socket.send("");
        const { code } = await new Promise((closed) => (socket.onclose = closed));
        return [socket.protocol, typeof data, code];
      }, names);
    assert.deepEqual(await agreed(["transom.json"]), ["transom.json", "string", 1000]);
    assert.deepEqual(await agreed(["transom.proto"]), ["transom.proto", "object", 1000]);
  },

  async "connect-web reads, streams and gets errors"(page) {
    await page.click("#connect button");
    await page.waitForSelector("#connect pre:has-text('[not_found]')");
    const text = await page.textContent("#connect pre");
    assert.ok(text.startsWith("Letters on the Hall Floor\n"), text);
    assert.ok(text.split("\n").length > 3, text);
  },

  async "grpc-web reads, streams and gets errors"(page) {
    await page.click("#grpc-web button");
    await page.waitForSelector("#grpc-web pre:has-text('that is all')");
    await page.waitForSelector("#grpc-web pre:has-text('[5]')");
    const text = await page.textContent("#grpc-web pre");
    assert.ok(text.startsWith("Letters on the Hall Floor\n"), text);
  },

  async "another origin is refused by CORS and by WebSocket's Origin"(page, _, other) {
    const refused = await page.evaluate(async (other) => {
      const calls = [
        fetch(`${other}/v1/shelves/fiction/books`),
        fetch(`${other}/bookshelf.v1.Bookshelf/GetBook`, {
          method: "POST",
          headers: { "content-type": "application/json", "connect-protocol-version": "1" },
          body: "{}",
        }),
      ];
      const settled = await Promise.allSettled(calls);
      const socket = new WebSocket(`${other.replace("http", "ws")}/v1/shelves/fiction/books/letters:chat`);
      const opened = await new Promise((told) => {
        socket.onopen = () => told("opened");
        socket.onerror = () => told("refused");
      });
      return [...settled.map((one) => one.status), opened];
    }, other);
    assert.deepEqual(refused, ["rejected", "rejected", "refused"]);
  },

  async "a stream whose page is left is cancelled in the backend"(page, address, _, browser) {
    const left = await browser.newPage();
    await left.goto(address);
    await left.click("#events button:first-of-type");
    await left.waitForSelector("#events li");
    const before = await watchers(address);
    assert.ok(before > 0, "the backend knows of the stream");
    await left.close();
    await until(async () => (await watchers(address)) < before);
  },
};

/** How many watches the bookshelf serves, as Ping tells in its metadata. */
async function watchers(address) {
  const response = await fetch(`${address}/bookshelf.v1.Bookshelf/Ping`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  return Number(response.headers.get("x-bookshelf-watchers"));
}

/** Asks again until it holds. Each answer is a round trip; nothing is slept over. */
async function until(holds) {
  const end = Date.now() + PATIENCE;
  while (!(await holds())) assert.ok(Date.now() < end, "it never came to hold");
}

let failed = 0;
const [address, other] = [await demo(), await demo()];
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
});
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.on("pageerror", (error) => console.log(`  in the page: ${error}`));
  await page.goto(address);
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test(page, address, other, browser);
      console.log(`ok      ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${name}\n${error.stack}`);
    }
  }
} finally {
  await browser.close();
  running.forEach((child) => child.kill());
}
console.log(`${Object.keys(tests).length - failed} passed, ${failed} failed`);
process.exit(failed && 1);
