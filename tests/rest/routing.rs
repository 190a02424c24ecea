//! Which method a request calls, and what path and query set.

use serde_json::json;

use crate::support::Rig;

#[tokio::test]
async fn route_with_a_variable_of_several_segments_calls_its_method() {
    let rig = Rig::start().await;
    let book = rig.get("/v1/shelves/science/books/tides").await.ok();
    assert_eq!(book["name"], "shelves/science/books/tides");
    assert_eq!(book["title"], "Tides, and What They Carry");
}

#[tokio::test]
async fn route_of_an_additional_binding_calls_the_same_method() {
    let rig = Rig::start().await;
    let listed = rig.get("/v1/books").await.ok();
    assert_eq!(listed["books"].as_array().unwrap().len(), 3);
    let listed = rig.get("/v1/shelves/science/books").await.ok();
    assert_eq!(listed["books"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn route_with_a_verb_is_apart_from_the_one_without() {
    let rig = Rig::start().await;
    let array = rig.get("/v1/books:array").await.ok();
    assert_eq!(array.as_array().unwrap().len(), 3, "response_body names the repeated field");
    rig.get("/v1/books:nothing").await.refusal(404, 5);
}

#[tokio::test]
async fn verb_that_no_template_registers_is_part_of_the_value() {
    let rig = Rig::start().await;
    let message = rig.get("/v1/shelves/science/books/tides:old").await.refusal(404, 5);
    assert!(message.contains("shelves/science/books/tides:old"), "{message}");
}

#[tokio::test]
async fn capture_of_several_segments_keeps_reserved_characters_encoded() {
    let rig = Rig::start().await;
    let message = rig.get("/v1/shelves/a%2Fb/books/%74ides").await.refusal(404, 5);
    assert!(message.contains("`shelves/a%2Fb/books/tides`"), "{message}");
}

#[tokio::test]
async fn capture_of_one_segment_is_decoded_wholly() {
    let rig = Rig::start().await;
    let waited = rig.get("/v1/wait/0%2E001s").await.ok();
    assert!(waited["timeout"].is_string(), "{waited}");
    rig.get("/v1/fail/%35").await.refusal(404, 5);
}

#[tokio::test]
async fn capture_with_broken_encoding_is_400() {
    let rig = Rig::start().await;
    for path in ["/v1/fail/%zz", "/v1/fail/%5", "/v1/fail/%", "/v1/shelves/a%ff/books/b"] {
        rig.get(path).await.refusal(400, 3);
    }
}

#[tokio::test]
async fn capture_that_its_field_cannot_hold_is_400_and_names_it() {
    let rig = Rig::start().await;
    for (path, field) in [("/v1/fail/five", "code"), ("/v1/wait/soon", "delay")] {
        let message = rig.get(path).await.refusal(400, 3);
        assert!(message.contains(field), "{message}");
    }
}

#[tokio::test]
async fn path_that_is_no_route_is_404() {
    let rig = Rig::start().await;
    for path in
        ["/", "/v1", "/v2/books", "/v1/books/", "/v1//books", "/v1/shelves//books", "/v1/BOOKS"]
    {
        rig.get(path).await.refusal(404, 5);
    }
}

#[tokio::test]
async fn method_that_the_path_has_not_is_405_with_allow() {
    let rig = Rig::start().await;
    let response = rig.request("DELETE", "/v1/books", &[], b"").await;
    response.refusal(405, 12);
    let allow = response.header("allow");
    assert!(allow.split(", ").any(|method| method == "GET"), "{allow}");
    assert!(!allow.contains("DELETE"), "{allow}");
}

#[tokio::test]
async fn options_is_204_with_allow() {
    let rig = Rig::start().await;
    let response = rig.request("OPTIONS", "/v1/shelves/fiction/books", &[], b"").await;
    assert_eq!((response.status.as_u16(), response.text()), (204, ""));
    let allow = response.header("allow");
    for method in ["GET", "POST"] {
        assert!(allow.split(", ").any(|allowed| allowed == method), "{allow}");
    }
    rig.request("OPTIONS", "/nowhere", &[], b"").await.refusal(404, 5);
}

#[tokio::test]
async fn head_is_answered_from_get_without_a_body() {
    let rig = Rig::start().await;
    let mut connection = rig.http1().await;
    let path = "/v1/shelves/science/books/tides";
    connection.send_request("HEAD", path, &[], b"").await;
    let head = connection.response_to("HEAD").await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), "application/json");
    // A body would be read as the next response's head.
    connection.send_request("GET", path, &[], b"").await;
    connection.response().await.ok();
}

#[tokio::test]
async fn method_without_a_rule_has_no_route_unless_mapped() {
    // The path is Connect's, which takes JSON but no form.
    let path = "/bookshelf.v1.Bookshelf/Ping";
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let rig = Rig::start().await;
    assert_eq!(rig.request("POST", path, &form, b"text=hello").await.status, 415);
    let rig = Rig::with_policy("auto_map: true").await;
    let response = rig.request("POST", path, &form, b"text=hello").await;
    assert_eq!(response.ok(), json!({ "text": "hello" }));
}

#[tokio::test]
async fn query_sets_fields_by_proto_name_and_by_json_name() {
    let rig = Rig::start().await;
    for query in
        ["page_size=1", "pageSize=1", "genre=GENRE_SCIENCE", "genre=3", "parent=shelves/science"]
    {
        let listed = rig.get(&format!("/v1/books?{query}")).await.ok();
        assert_eq!(listed["books"].as_array().unwrap().len(), 1, "{query}: {listed}");
    }
}

#[tokio::test]
async fn query_is_percent_decoded_and_plus_is_a_space() {
    let rig = Rig::start().await;
    let response = rig.get("/v1/fail/9?message=a+b%2Bc%26d%3D%C3%A9").await;
    assert_eq!(response.refusal(400, 9), "a b+c&d=é");
}

#[tokio::test]
async fn query_parameter_that_names_no_field_is_400_and_named() {
    let rig = Rig::start().await;
    for query in ["colour=red", "page_size.x=1", "parent[a]=b", "genre.x=1"] {
        let message = rig.get(&format!("/v1/books?{query}")).await.refusal(400, 3);
        let name = query.split('=').next().unwrap();
        assert!(message.contains(name), "{query}: {message}");
    }
}

#[tokio::test]
async fn query_parameter_that_names_no_field_is_dropped_by_policy() {
    let rig = Rig::with_policy("unknown_parameters: ignore").await;
    rig.get("/v1/books?colour=red").await.ok();
    let rig = Rig::with_policy("ignored_parameters: [utm_source]").await;
    rig.get("/v1/books?utm_source=letter").await.ok();
    rig.get("/v1/books?colour=red").await.refusal(400, 3);
}

#[tokio::test]
async fn query_value_that_its_field_cannot_hold_is_400_and_names_it() {
    let rig = Rig::start().await;
    for query in [
        "page_size=many",
        "page_size=",
        "page_size=2147483648",
        "page_size=1.5",
        "genre=GENRE_NONE",
    ] {
        let message = rig.get(&format!("/v1/books?{query}")).await.refusal(400, 3);
        assert!(message.contains(query.split('=').next().unwrap()), "{query}: {message}");
    }
}

#[tokio::test]
async fn query_with_a_scalar_twice_is_400_and_names_it() {
    let rig = Rig::start().await;
    for query in ["page_size=1&page_size=2", "page_size=1&pageSize=1"] {
        let message = rig.get(&format!("/v1/books?{query}")).await.refusal(400, 3);
        assert!(message.contains("page"), "{message}");
    }
}

#[tokio::test]
async fn query_with_broken_encoding_is_400() {
    let rig = Rig::start().await;
    for query in ["parent=%zz", "parent=%ff", "%zz=1"] {
        rig.get(&format!("/v1/books?{query}")).await.refusal(400, 3);
    }
}

#[tokio::test]
async fn query_of_a_whole_body_leaves_no_parameters() {
    let rig = Rig::start().await;
    let message = rig.send("POST", "/v1/fail?code=5", "{}").await.refusal(400, 3);
    assert!(message.contains("code"), "{message}");
}

#[tokio::test]
async fn query_beside_a_body_field_sets_the_other_fields() {
    let rig = Rig::start().await;
    let path = "/v1/shelves/fiction/books?book_id=window";
    let book = rig.send("POST", path, r#"{"title":"The Window"}"#).await;
    assert_eq!(book.json()["name"], "shelves/fiction/books/window");
    let path = "/v1/shelves/fiction/books/window?updateMask=pages,author";
    let book = rig.send("PATCH", path, r#"{"pages":7,"author":"M","title":"No"}"#).await.ok();
    assert_eq!((&book["pages"], &book["title"]), (&json!(7), &json!("The Window")));
}

#[tokio::test]
async fn path_wins_over_the_body() {
    let rig = Rig::start().await;
    let path = "/v1/shelves/science/books/tides?update_mask=title";
    let json = r#"{"name":"shelves/fiction/books/letters","title":"Tides"}"#;
    let book = rig.send("PATCH", path, json).await.ok();
    assert_eq!(book["name"], "shelves/science/books/tides");
}

#[tokio::test]
async fn path_against_the_body_is_400_by_policy() {
    let rig = Rig::with_policy("on_collision: reject").await;
    let path = "/v1/shelves/science/books/tides?update_mask=title";
    let other = r#"{"name":"shelves/fiction/books/letters","title":"Tides"}"#;
    let message = rig.send("PATCH", path, other).await.refusal(400, 3);
    assert!(message.contains("name"), "{message}");
    let same = r#"{"name":"shelves/science/books/tides","title":"Tides"}"#;
    rig.send("PATCH", path, same).await.ok();
}

#[tokio::test]
async fn form_body_is_read_like_a_query() {
    let rig = Rig::start().await;
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let body = b"code=6&message=a+form%21";
    let response = rig.request("POST", "/v1/fail", &headers, body).await;
    assert_eq!(response.refusal(409, 6), "a form!");
    rig.request("POST", "/v1/fail", &headers, b"colour=red").await.refusal(400, 3);
}
