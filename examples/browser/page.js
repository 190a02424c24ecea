// Five ways to call one gRPC service from a browser, without generated code.

const $ = (selector) => document.querySelector(selector);

function show(section, text) {
  const item = document.createElement("li");
  item.textContent = text;
  $(`${section} ul`).append(item);
}

// REST: the rules of google.api.http.
$("#rest button").onclick = async () => {
  const response = await fetch("/v1/shelves/fiction/books");
  const { books } = await response.json();
  for (const book of books) show("#rest", `${book.title}, by ${book.author}`);
};

// A server stream as server-sent events; leaving cancels the call in the backend.
let events;
const [watch, leave] = document.querySelectorAll("#events button");
watch.onclick = () => {
  events = new EventSource("/v1/shelves/fiction/books:watch?follow=true");
  events.onmessage = (event) => show("#events", JSON.parse(event.data).title);
  watch.disabled = !(leave.disabled = false);
};
leave.onclick = () => {
  events.close();
  watch.disabled = !(leave.disabled = true);
};

// Both directions live: a text frame is one message.
let socket;
$("#socket form").onsubmit = (submitted) => {
  submitted.preventDefault();
  const text = $("#socket input").value;
  const say = () => socket.send(JSON.stringify({ text }));
  if (socket?.readyState === WebSocket.OPEN) return say();
  socket = new WebSocket(`${location.origin.replace("http", "ws")}/v1/shelves/fiction/books/letters:chat`);
  socket.onopen = say;
  socket.onmessage = (event) => show("#socket", JSON.parse(event.data).text);
  socket.onclose = (event) => show("#socket", `closed: ${event.code} ${event.reason}`);
};

// What generated clients have built in, the two below read once from the server.
async function load() {
  const clients = await import("/browser/clients.js");
  const set = await (await fetch("/browser/bookshelf.binpb")).arrayBuffer();
  const files = clients.fromBinary(clients.FileDescriptorSetSchema, new Uint8Array(set));
  const service = clients.createFileRegistry(files).getService("bookshelf.v1.Bookshelf");
  return { ...clients, service };
}
const loaded = load();

$("#connect button").onclick = async () => {
  const { createClient, createConnectTransport, service } = await loaded;
  const transport = createConnectTransport({ baseUrl: location.origin, useHttpGet: true });
  const client = createClient(service, transport);
  const output = $("#connect pre");
  const book = await client.getBook({ name: "shelves/fiction/books/letters" });
  output.textContent = `${book.title}\n`;
  for await (const one of client.watchBooks({ parent: "shelves/fiction" })) {
    output.textContent += `${one.title}\n`;
  }
  try {
    await client.getBook({ name: "shelves/fiction/books/none" });
  } catch (error) {
    output.textContent += `${error.message}\n`;
  }
};

$("#grpc-web button").onclick = async () => {
  const { GrpcWebClientBase, MethodDescriptor, create, fromBinary, toBinary, service } = await loaded;
  const client = new GrpcWebClientBase({ format: "binary" });
  const output = $("#grpc-web pre");
  const call = (name, type, how, request) => {
    const { input, output } = service.method[name];
    const method = new MethodDescriptor(
      `/${service.typeName}/${service.method[name].name}`, type, Object, Object,
      (message) => toBinary(input, message), (bytes) => fromBinary(output, bytes));
    return client[how](location.origin + method.name, create(input, request), {}, method);
  };
  const book = await call("getBook", "unary", "unaryCall", { name: "shelves/fiction/books/letters" });
  output.textContent = `${book.title}\n`;
  call("watchBooks", "server_streaming", "serverStreaming", { parent: "shelves/fiction" })
    .on("data", (one) => (output.textContent += `${one.title}\n`))
    .on("end", () => (output.textContent += "that is all\n"));
  call("getBook", "unary", "unaryCall", { name: "shelves/fiction/books/none" })
    .catch((error) => (output.textContent += `[${error.code}] ${error.message}\n`));
};
