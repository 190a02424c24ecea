//! In front of a server in Python: its schema by reflection, its own JSON mapping as the measure.
//!
//! These need the packages of `tests/requirements.txt` in `tests/.venv`, which `tests/run` sets up.

use std::{path::Path, process::Stdio};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::support::{Gateway, Response, http1, http2, within};

/// The server, and the gateway that asked it for its schema.
struct Python {
    gateway: Gateway,
    _server: Child,
}

impl Python {
    async fn start() -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let mut server = Command::new(tests.join(".venv/bin/python"))
            .arg(tests.join("python/backend.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("tests/run sets up tests/.venv");
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let port = within("the server's port", lines.next_line()).await.unwrap();
        let upstream = format!("127.0.0.1:{}", port.expect("a port"));
        let gateway = Gateway::serve(&["--upstream", &upstream]).await;
        Self { gateway, _server: server }
    }

    async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response {
        http1::request(self.gateway.address, method, path, headers, body.as_bytes()).await
    }

    async fn post(&self, path: &str, json: &Value) -> Response {
        self.request("POST", path, &[], &json.to_string()).await
    }
}

/// Every field with a value that the mapping has to take care of.
fn everything() -> Value {
    let text = r#"{
        "double": 1.5e300, "float": 0.1, "int32": -2147483648, "int64": "-9223372036854775808",
        "uint32": 4294967295, "uint64": "18446744073709551615", "sint32": -1, "sint64": "-2",
        "fixed32": 3, "fixed64": "4", "sfixed32": -5, "sfixed64": "-6", "bool": true,
        "string": "é\"\\\n\u0001😀</script>", "bytes": "AP8+Pw==", "colour": "COLOUR_RED",
        "nested": { "nested": { "int32": 1 } }, "int32s": [0, 1, -1], "strings": ["", "a"],
        "alls": [{}, { "bool": true }], "colours": ["COLOUR_BLUE", "COLOUR_MINUS", 7],
        "texts": { "": "empty", "a b": "é" }, "children": { "-1": { "int32": 1 } },
        "painted": { "true": "COLOUR_RED" }, "maybe": 0, "nothing": null,
        "timestamp": "0001-01-01T00:00:00Z", "duration": "-315576000000.999999999s",
        "mask": "nested.int32,fooBar", "structure": { "a": [1.0, null, { "b": "c" }] },
        "value": null, "list": [true, "x"], "empty": {},
        "any": { "@type": "type.googleapis.com/google.protobuf.Duration", "value": "1.500s" },
        "boolValue": false, "bytesValue": "", "doubleValue": "NaN", "floatValue": "-Infinity",
        "int32Value": 0, "int64Value": "0", "stringValue": "", "uint32Value": 0,
        "uint64Value": "0", "named@otherwise": "n"
    }"#;
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
#[ignore = "needs Python, which tests/run sets up"]
async fn python_every_kind_of_field_comes_back_as_python_writes_it() {
    let python = Python::start().await;
    let everything = everything();
    let echoed = python.post("/v1/kinds:echo", &everything).await.ok();
    let described = python.post("/v1/kinds:describe", &everything).await.ok();
    let described: Value = serde_json::from_str(described["json"].as_str().unwrap()).unwrap();
    assert_eq!(floats(&echoed), floats(&described));
    assert_eq!(floats(&echoed), floats(&everything));
}

/// With every number as a float, so that `1` and `1.0` are equal.
fn floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64().unwrap()),
        Value::Array(list) => list.iter().map(floats).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), floats(value))).collect(),
        other => other.clone(),
    }
}

#[tokio::test]
#[ignore = "needs Python, which tests/run sets up"]
async fn python_query_parameters_set_every_kind_of_field() {
    let python = Python::start().await;
    let query = "int64=-5&bool=true&bytes=AP8-Pw&colour=COLOUR_BLUE&colours=1&colours=COLOUR_RED\
                 &strings=a&strings=b+c&nested.nested.int32=7&texts[k]=v&texts[k2]=v2&maybe=0\
                 &word=&timestamp=2020-01-02T03:04:05.6Z&duration=1.5s&mask=a.b,cD\
                 &int32Value=3&string_value=s&double=1e3&named%40otherwise=n";
    let echoed =
        python.request("GET", &format!("/v1/kinds/echo/a%2Fb?{query}"), &[], "").await.ok();
    let want = json!({
        "string": "a/b", "int64": "-5", "bool": true, "bytes": "AP8+Pw==",
        "colour": "COLOUR_BLUE", "colours": ["COLOUR_RED", "COLOUR_RED"],
        "strings": ["a", "b c"], "nested": { "nested": { "int32": 7 } },
        "texts": { "k": "v", "k2": "v2" }, "maybe": 0, "word": "",
        "timestamp": "2020-01-02T03:04:05.600Z", "duration": "1.500s", "mask": "a.b,cD",
        "int32Value": 3, "stringValue": "s", "double": 1000, "named@otherwise": "n",
    });
    assert_eq!(floats(&echoed), floats(&want));
}

#[tokio::test]
#[ignore = "needs Python, which tests/run sets up"]
async fn python_query_with_two_members_of_a_oneof_is_400() {
    let python = Python::start().await;
    let response = python.request("GET", "/v1/kinds/echo/a?word=w&number=1", &[], "").await;
    let message = response.refusal(400, 3);
    assert!(message.contains("number") || message.contains("word"), "{message}");
}

#[tokio::test]
#[ignore = "needs Python, which tests/run sets up"]
async fn python_streams_of_every_kind_work() {
    let python = Python::start().await;
    let lines = [("accept", "application/x-ndjson"), ("content-type", "application/x-ndjson")];
    let counted = python.request("GET", "/v1/kinds/count/100", &lines, "").await;
    assert_eq!(counted.header("x-counting"), "up");
    let values: Vec<_> = counted.json_lines().iter().map(|n| n["value"].clone()).collect();
    assert_eq!((values.len(), &values[99]), (100, &json!("100")));
    let numbers = "{\"value\":1}\n{\"value\":\"2\"}\n{}\n{\"value\":39}\n";
    let sum = python.request("POST", "/v1/kinds:sum", &lines, numbers).await.ok();
    assert_eq!(sum, json!({ "value": "42" }));
    let mut connection = http2::Connection::open(python.gateway.address).await;
    let mut stream = connection.open_stream("POST", "/v1/kinds:talk", &lines, false).await;
    stream.send("{\"value\":4}\n", false);
    let (_, mut sending, mut body) = stream.head().await.unwrap();
    assert_eq!(http2::text_until(&mut body, "\n").await, "{\"value\":\"8\"}\n");
    sending.send_data("{\"value\":50}\n".into(), true).unwrap();
    assert_eq!(http2::text_until(&mut body, "\n").await, "{\"value\":\"100\"}\n");
}

#[tokio::test]
#[ignore = "needs Python, which tests/run sets up"]
async fn python_error_details_are_decoded_by_the_schema() {
    let python = Python::start().await;
    let response = python.request("GET", "/v1/kinds/fail/9", &[], "").await;
    assert_eq!(response.refusal(400, 9), "as asked");
    assert_eq!(response.header("retry-after"), "3");
    let want = json!([
        { "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "ASKED", "domain": "kinds.v1" },
        { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3s" },
        { "@type": "type.googleapis.com/kinds.v1.Number", "value": "9" },
    ]);
    assert_eq!(response.json()["details"], want);
}

#[tokio::test]
#[ignore = "needs Python, which tests/run sets up"]
async fn python_metadata_arrive_and_binary_ones_are_decoded_once() {
    let python = Python::start().await;
    let headers =
        [("x-one", "1"), ("x-one", "2"), ("raw-bin", "AP8="), ("authorization", "Bearer t")];
    let seen = python.request("GET", "/v1/kinds/seen", &headers, "").await.ok();
    let pairs = &seen["pairs"];
    assert_eq!(pairs["authorization"], "Bearer t");
    assert_eq!(pairs["raw-bin"], "00ff");
    assert!(pairs["x-one"] == "1,2" || pairs["x-one"] == "1, 2", "{pairs}");
}
