//! Callers that are known by their certificates, over real TLS.

use crate::support::{
    Response, Rig,
    authority::Authority,
    http1, rig,
    tls::{Client, Shown},
};

const BOOK: &str = "/v1/shelves/fiction/books/letters";

/// A gateway that asks for certificates of an authority, takes one trust domain, and does without
/// where it has to; the authority of the server's certificate is the callers' too.
async fn start() -> (Rig, Authority) {
    let mut authority = None;
    let rig = Rig::configured(|folder, upstream| {
        let made = Authority::new(folder, "ca");
        made.write("a", &["localhost"]);
        authority = Some(made);
        let policy = "auth: { any_of: [{ mtls: { spiffe_ids: [\"spiffe://example.org/*\"] } }], \
                      forward: { x-echo-user: id, x-echo-subject: claims.spiffe_id } }";
        let text = rig::configuration(&rig::write_descriptor_set(folder), upstream, policy);
        let listen = "127.0.0.1:0\n    tls:\n      certificates:\n        \
                      - { certificate: a.pem, key: a.key }\n      client_ca: ca.pem\n      \
                      client_certificate: optional\n";
        text.replacen("127.0.0.1:0\n", listen, 1)
    })
    .await;
    (rig, authority.unwrap())
}

async fn get(
    (rig, authority): &(Rig, Authority),
    shown: Option<Shown>,
    headers: &[(&str, &str)],
) -> Response {
    let client = match shown {
        Some(shown) => Client::showing(authority, shown),
        None => Client::of(authority),
    };
    let stream = client.connect(rig.gateway.address).await.unwrap();
    let mut connection = http1::Connection::over(stream, "localhost");
    connection.send_request("GET", BOOK, headers, b"").await;
    connection.response().await
}

#[tokio::test]
async fn auth_certificate_is_the_connection_s_and_names_the_caller() {
    let site = start().await;
    let of = |uri: &str| Some(site.1.client(uri));
    let reader = "spiffe://example.org/reader";
    let made_up = [("x-echo-user", "root"), ("x_echo_user", "root")];
    let response = get(&site, of(reader), &made_up).await;
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("x-echo-user"), reader);
    assert_eq!(response.header("x-echo-subject"), reader);

    for other in
        ["spiffe://example.org.evil/reader", "spiffe://other/reader", "https://example.org/"]
    {
        get(&site, of(other), &[]).await.refusal(401, 16);
    }
    // What proxies tell in headers is no certificate, nor is none.
    let told = format!("URI={reader}");
    let headers = [("x-forwarded-client-cert", &*told), ("x-ssl-client-s-dn", "CN=reader")];
    for headers in [&headers[..], &[]] {
        let response = get(&site, None, headers).await;
        response.refusal(401, 16);
        assert_eq!(response.header("www-authenticate"), "Certificate");
    }
    assert_eq!(site.0.bookshelf.begun(), 1);
}
