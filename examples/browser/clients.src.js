// What page.js needs of the npm clients; `tests/browser/run` bundles it to clients.js.
export { createClient } from "@connectrpc/connect";
export { createConnectTransport } from "@connectrpc/connect-web";
export { create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
export { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
export { GrpcWebClientBase, MethodDescriptor } from "grpc-web";
