//! The HTTP routes and the methods behind them, as people read them.
//!
//! ```text
//! GET   /v1/{name=shelves/*/books/*}  -> bookshelf.v1.Bookshelf.GetBook
//! POST  /v1/{parent=shelves/*}/books  -> bookshelf.v1.Bookshelf.CreateBook (body: book)
//! ```

use super::{Body, HttpRule, Method, Schema};

/// All routes, aligned, in the order of the schema; then the methods that have none.
pub fn route_table(schema: &Schema) -> String {
    let rows: Vec<_> = schema.rules().map(columns).collect();
    let width = |column: fn(&[String; 3]) -> &String| {
        rows.iter().map(|row| column(row).chars().count()).max().unwrap_or(0)
    };
    let (method, template) = (width(|row| &row[0]), width(|row| &row[1]));
    let mut text = String::new();
    for [http, path, target] in &rows {
        text += &format!("{http:method$}  {path:template$}  -> {target}\n");
    }
    let methods = schema.services().iter().flat_map(|service| &service.methods);
    for method in methods.filter(|method| method.rules.is_empty()) {
        text += &format!("no HTTP rule: {}{}\n", method.full_name, notes(&[kind(method)]));
    }
    text
}

fn columns((method, rule): (&Method, &HttpRule)) -> [String; 3] {
    let body = match &rule.body {
        Body::None => String::new(),
        Body::Whole => "body: *".into(),
        Body::Field(field) => format!("body: {field}"),
    };
    let response = match &*rule.response_body {
        "" => String::new(),
        field => format!("response body: {field}"),
    };
    let notes = notes(&[&body, &response, kind(method)]);
    let target = format!("{}{notes}", method.full_name);
    [rule.method.to_string(), rule.template.to_string(), target]
}

fn kind(method: &Method) -> &'static str {
    match (method.client_streaming, method.server_streaming) {
        (false, false) => "",
        (false, true) => "server stream",
        (true, false) => "client stream",
        (true, true) => "bidirectional stream",
    }
}

fn notes(notes: &[&str]) -> String {
    let notes: Vec<_> = notes.iter().copied().filter(|note| !note.is_empty()).collect();
    if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) }
}
