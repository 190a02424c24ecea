//! The server under test of the Connect conformance suite: the suite's own servers, and this
//! gateway before them.
//!
//! ```text
//! runner ── ServerCompatRequest ──► stdin        stdout ── ServerCompatResponse ──► runner
//! runner ── gRPC, gRPC-Web, Connect ──► transom serve ──┬─ gRPC ──► grpcserver
//!                                                       └─ gRPC ──► referenceserver
//! ```
//!
//! The second stands there for IdempotentUnary alone, which gRPC's server does not implement: the
//! only method that the suite calls by GET.
//!
//! Each message has its length before it, in four octets, big endian. The runner starts one such
//! process a configuration and ends it with SIGTERM, which ends all children too.
//!
//! `GRPCSERVER`, `REFERENCESERVER`, `TRANSOM` and `PROTOS` name the suite's servers, the gateway and
//! the folder of the suite's .proto files.

use std::{env, error::Error, fmt::Write as _, fs, process::Stdio};

use prost::Message;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, stdin, stdout},
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// connectrpc.conformance.v1.ServerCompatRequest.
#[derive(Clone, PartialEq, Message)]
struct ServerCompatRequest {
    #[prost(int32, tag = "1")]
    protocol: i32,
    #[prost(int32, tag = "2")]
    http_version: i32,
    #[prost(bool, tag = "4")]
    use_tls: bool,
    #[prost(bytes = "vec", tag = "5")]
    client_tls_cert: Vec<u8>,
    #[prost(uint32, tag = "6")]
    message_receive_limit: u32,
    #[prost(message, optional, tag = "7")]
    server_creds: Option<TlsCreds>,
}

/// connectrpc.conformance.v1.TLSCreds.
#[derive(Clone, PartialEq, Message)]
struct TlsCreds {
    #[prost(bytes = "vec", tag = "1")]
    cert: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    key: Vec<u8>,
}

/// connectrpc.conformance.v1.ServerCompatResponse.
#[derive(Clone, PartialEq, Message)]
struct ServerCompatResponse {
    #[prost(string, tag = "1")]
    host: String,
    #[prost(uint32, tag = "2")]
    port: u32,
    #[prost(bytes = "vec", tag = "3")]
    pem_cert: Vec<u8>,
}

/// What the servers behind the gateway are asked for, whatever the runner wants: gRPC over cleartext
/// HTTP/2.
const GRPC: i32 = 2;
const HTTP_2: i32 = 2;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let request: ServerCompatRequest = read(&mut stdin()).await?;
    let mut grpc = Backend::start("GRPCSERVER").await?;
    let mut reference = Backend::start("REFERENCESERVER").await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("transom.yaml");
    fs::write(&file, configuration(&request, [grpc.port, reference.port], folder.path())?)?;
    let (mut gateway, port) = start_gateway(&file).await?;
    let response = ServerCompatResponse {
        host: "127.0.0.1".into(),
        port: port.into(),
        pem_cert: request.server_creds.map(|creds| creds.cert).unwrap_or_default(),
    };
    write(&mut stdout(), &response).await?;
    let mut end = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = end.recv() => {}
        status = gateway.wait() => return Err(format!("the gateway ended: {}", status?).into()),
        status = grpc.child.wait() => return Err(format!("a backend ended: {}", status?).into()),
        status = reference.child.wait() => return Err(format!("a backend ended: {}", status?).into()),
    }
    Ok(())
}

/// A server behind the gateway.
struct Backend {
    child: Child,
    port: u32,
}

impl Backend {
    /// Starts the server that the variable names.
    async fn start(variable: &str) -> Outcome<Self> {
        let mut command = Command::new(env::var(variable)?);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let request = ServerCompatRequest {
            protocol: GRPC,
            http_version: HTTP_2,
            // None is not taken for no limit.
            message_receive_limit: 64 << 20,
            ..Default::default()
        };
        let input = child.stdin.as_mut().ok_or("no stdin")?;
        write(input, &request).await?;
        let mut output = child.stdout.take().ok_or("no stdout")?;
        let response: ServerCompatResponse = read(&mut output).await?;
        Ok(Self { child, port: response.port })
    }
}

/// Starts the gateway; gives its port.
async fn start_gateway(file: &std::path::Path) -> Outcome<(Child, u16)> {
    let mut command = Command::new(env::var("TRANSOM")?);
    command.args(["serve", "--workers", "1", "--config"]).arg(file);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut lines = BufReader::new(child.stderr.take().ok_or("no stderr")?).lines();
    while let Some(line) = lines.next_line().await? {
        eprintln!("{line}");
        let Some((_, address)) = line.split_once("listening on ") else { continue };
        let digits = address.rsplit(':').next().unwrap_or_default();
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let port = digits[..end].parse()?;
        // What it goes on to say must not fill the pipe.
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                eprintln!("{line}");
            }
        });
        return Ok((child, port));
    }
    Err("the gateway ended before it listened".into())
}

/// The gateway's configuration for what the runner asks for.
fn configuration(
    request: &ServerCompatRequest,
    [grpc, reference]: [u32; 2],
    folder: &std::path::Path,
) -> Outcome<String> {
    let mut text = String::from("listen:\n  - address: 127.0.0.1:0\n");
    if let Some(creds) = request.server_creds.as_ref().filter(|_| request.use_tls) {
        fs::write(folder.join("server.pem"), &creds.cert)?;
        fs::write(folder.join("server.key"), &creds.key)?;
        text += "    tls:\n      certificates:\n        - { certificate: server.pem, key: server.key }\n";
        if !request.client_tls_cert.is_empty() {
            fs::write(folder.join("client.pem"), &request.client_tls_cert)?;
            text += "      client_ca: client.pem\n      client_certificate: required\n";
        }
    }
    let protos = env::var("PROTOS")?;
    write!(text, "schema:\n  - protos: {protos}\n")?;
    text += "upstreams:\n";
    for (name, port) in [("grpc", grpc), ("reference", reference)] {
        writeln!(text, "  {name}: {{ endpoints: [\"http://127.0.0.1:{port}\"] }}")?;
    }
    text += "services:\n";
    text += "  connectrpc.conformance.v1.ConformanceService.IdempotentUnary:\n";
    text += "    upstream: reference\n";
    text += "  \"connectrpc.conformance.v1.*\":\n    upstream: grpc\n";
    // The backend tells which deadline it was given, and there is to be none but the caller's.
    text += "    timeout: none\n";
    if request.message_receive_limit > 0 {
        writeln!(text, "    max_request_message: {}", request.message_receive_limit)?;
    }
    Ok(text)
}

async fn read<T: Message + Default>(source: &mut (impl AsyncReadExt + Unpin)) -> Outcome<T> {
    let length = source.read_u32().await? as usize;
    let mut bytes = vec![0; length];
    source.read_exact(&mut bytes).await?;
    Ok(T::decode(&bytes[..])?)
}

async fn write(sink: &mut (impl AsyncWriteExt + Unpin), message: &impl Message) -> Outcome<()> {
    let bytes = message.encode_to_vec();
    sink.write_u32(u32::try_from(bytes.len())?).await?;
    sink.write_all(&bytes).await?;
    sink.flush().await?;
    Ok(())
}
