// A gRPC client in Node: calls of all four kinds over TLS, a failure and a deadline.
//
//     client.js ADDRESS ROOTS.pem FOLDER-OF-PROTOS
//
// Prints a line for each thing that holds, and fails loudly.
"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const { once } = require("node:events");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [address, roots, protos] = process.argv.slice(2);
const tides = "shelves/science/books/tides";

const done = (what) => console.log(what);

function open() {
  const definition = loader.loadSync("bookshelf/v1/bookshelf.proto", { includeDirs: [protos] });
  const { Bookshelf } = grpc.loadPackageDefinition(definition).bookshelf.v1;
  return new Bookshelf(address, grpc.credentials.createSsl(fs.readFileSync(roots)));
}

// A call with one answer, as a promise.
function answer(start) {
  return new Promise((resolve, reject) => {
    start((error, message) => (error ? reject(error) : resolve(message)));
  });
}

async function unary(shelf) {
  const book = await answer((took) => shelf.GetBook({ name: tides }, took));
  assert.strictEqual(book.name, tides);
  done("unary");
}

async function serverStream(shelf) {
  const books = shelf.WatchBooks({ parent: "shelves/fiction", repeat: 500 });
  const ended = once(books, "status");
  let count = 0;
  for await (const book of books) {
    assert(book.name.startsWith("shelves/fiction/"));
    count += 1;
  }
  assert.strictEqual(count, 1000);
  const [status] = await ended;
  assert.deepStrictEqual(status.metadata.get("x-bookshelf-sent"), ["1000"]);
  done("server stream");
}

async function clientStream(shelf) {
  const imported = await answer((took) => {
    const call = shelf.ImportBooks(took);
    for (let number = 0; number < 200; number += 1) {
      call.write({ parent: "shelves/node", book: { title: `Book ${number}` } });
    }
    call.end();
  });
  assert.strictEqual(imported.imported, 200);
  done("client stream");
}

async function bidi(shelf) {
  const chat = shelf.Chat();
  // Each word waits for the answer to the one before: the stream has to be live.
  const heard = chat[Symbol.asyncIterator]();
  for (let number = 1; number <= 50; number += 1) {
    chat.write({ book: tides, text: String(number) });
    const { value } = await heard.next();
    assert.strictEqual(value.number, number);
  }
  chat.end();
  assert((await heard.next()).done);
  done("bidi");
}

async function failures(shelf) {
  const fail = { code: 9, message: "not yet: é", details: true };
  const failed = await answer((took) => shelf.Fail(fail, took)).catch((error) => error);
  assert.strictEqual(failed.code, grpc.status.FAILED_PRECONDITION);
  assert.strictEqual(failed.details, "not yet: é");
  assert(failed.metadata.get("grpc-status-details-bin")[0].includes("AS_ASKED"));
  done("status with details");
  const deadline = { deadline: Date.now() + 500 };
  const wait = { delay: { seconds: 3600 } };
  const late = await answer((took) => shelf.Wait(wait, deadline, took)).catch((error) => error);
  assert.strictEqual(late.code, grpc.status.DEADLINE_EXCEEDED);
  done("deadline");
}

async function main() {
  const shelf = open();
  for (const check of [unary, serverStream, clientStream, bidi, failures]) {
    await check(shelf);
  }
  shelf.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
