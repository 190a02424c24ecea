//! What the grammar takes and refuses, and where.

use super::*;

fn literal(text: &str) -> Segment {
    Segment::Literal(text.to_owned())
}

/// A template in one line: segments, then `name[span]` of each variable, then the verb.
fn summary(text: &str) -> String {
    let template = Template::parse(text).unwrap_or_else(|error| panic!("{error}"));
    let segments: Vec<_> = template.segments().iter().map(ToString::to_string).collect();
    let mut summary = segments.join(" ");
    for variable in template.variables() {
        let name = variable.field_path().join(".");
        let many = if variable.is_multiple() { "+" } else { "" };
        summary += &format!(" {many}{name}{:?}", variable.segments());
    }
    template.verb().map_or(summary.clone(), |verb| format!("{summary} :{verb}"))
}

#[test]
fn templates_are_read_as_the_grammar_says() {
    for (text, expected) in [
        ("/", ""),
        ("/v1/messages", "v1 messages"),
        ("/*", "*"),
        ("/**", "**"),
        ("/a/*/b/**", "a * b **"),
        ("/v1/messages/{message_id}", "v1 messages * message_id2..3"),
        ("/v1/{name=messages/*}", "v1 messages * +name1..3"),
        ("/{a.b_2.C=*}", "* a.b_2.C0..1"),
        ("/{_a=x}", "x _a0..1"),
        ("/{a=**}", "** +a0..1"),
        ("/{a=b/**}:verb", "b ** +a0..2 :verb"),
        ("/{a=*/b}/{c}/d:e", "* b * d +a0..2 c2..3 :e"),
        ("/a:b", "a :b"),
        ("/a:b:c", "a:b :c"),
        ("/a:b/c", "a:b c"),
        ("/a:b/{c}:d", "a:b * c1..2 :d"),
        ("/**:d", "** :d"),
        ("/a=b,c;d!$&'()+@~_-.", "a=b,c;d!$&'()+@~_-."),
        ("/{a=x=y/*}", "x=y * +a0..2"),
        ("/a%2Fb:c%20d", "a%2Fb :c%20d"),
        ("/b\u{fc}cher", "b\u{fc}cher"),
    ] {
        assert_eq!(summary(text), expected, "{text}");
    }
}

#[test]
fn a_template_prints_as_it_was_written_but_for_the_star_that_goes_without_saying() {
    for text in ["/", "/a/{b}/*/{c.d=e/*/**}:f", "/{a=x}/{b=**}", "/a:b/c%2f:d"] {
        assert_eq!(Template::parse(text).unwrap().to_string(), text);
    }
    assert_eq!(Template::parse("/{a=*}:b").unwrap().to_string(), "/{a}:b");
}

#[test]
fn what_the_grammar_does_not_know_is_refused_at_its_place() {
    for (text, offset, expected) in [
        ("", 0, "`/`"),
        ("a", 0, "`/`"),
        ("{x}", 0, "`/`"),
        (":verb", 0, "`/`"),
        ("//", 1, "a segment"),
        ("/a/", 3, "a segment"),
        ("/a//b", 3, "a segment"),
        ("/:verb", 1, "a segment"),
        ("/a/:verb", 3, "a segment"),
        ("/:", 1, "a segment"),
        ("/a:", 3, "a verb behind `:`"),
        ("/**:", 4, "a verb behind `:`"),
        ("/{x}:", 5, "a verb behind `:`"),
        ("/a:b*", 4, "the end behind the verb"),
        ("/a:b{c", 4, "the end behind the verb"),
        ("/{}", 2, "a field's name"),
        ("/{", 2, "a field's name"),
        ("/{1a}", 2, "a field's name"),
        ("/{a.}", 4, "a field's name"),
        ("/{a..b}", 4, "a field's name"),
        ("/{a", 3, "`}`"),
        ("/{a-b}", 3, "`=` or `}`"),
        ("/{a=}", 4, "a segment"),
        ("/{a=/b}", 4, "a segment"),
        ("/{a=b/}", 6, "a segment"),
        ("/{a=b", 5, "`}`"),
        ("/{a=b:c}", 5, "`}`"),
        ("/{a=b*}", 5, "`/` or `}`"),
        ("/{a=b/{c}}", 6, "a segment that is not a variable"),
        ("/a{x}", 2, "`/` or the end"),
        ("/{x}a", 4, "`/` or the end"),
        ("/{x}{y}", 4, "`/` or the end"),
        ("/a*", 2, "`/` or the end"),
        ("/*a", 2, "`/` or the end"),
        ("/***", 3, "`/` or the end"),
        ("/a}", 2, "`/` or the end"),
        ("/a?b", 2, "`/` or the end"),
        ("/a/**/b", 3, "`**` only as the last segment"),
        ("/**/**", 1, "`**` only as the last segment"),
        ("/{a=**}/b", 4, "`**` only as the last segment"),
        ("/{a=**/b}", 4, "`**` only as the last segment"),
        ("/{a}/{a}", 6, "another field than `a`, which is bound already"),
        ("/{a.b}/{a.b=*}", 8, "another field than `a.b`, which is bound already"),
        ("/a%2", 2, "percent-encoded UTF-8"),
        ("/ab/c%zz", 5, "percent-encoded UTF-8"),
        ("/%41%FF", 4, "percent-encoded UTF-8"),
        ("/a:%", 3, "percent-encoded UTF-8"),
        ("/a b", 2, "`/` or the end"),
        ("/a\u{a0}b", 2, "a visible character"),
    ] {
        let error = Template::parse(text).unwrap_err();
        assert_eq!((error.offset(), error.expected()), (offset, expected), "{text}");
    }
}

#[test]
fn an_error_tells_place_expectation_and_mend() {
    assert_eq!(
        Template::parse("/a/{x=b:c}").unwrap_err().to_string(),
        "path template `/a/{x=b:c}`, byte 7: expected `}`, found `:`; \
         a verb stands behind the closing `}`, and a colon in a variable is `%3A`"
    );
    assert_eq!(
        Template::parse("/a/").unwrap_err().to_string(),
        "path template `/a/`, byte 3: expected a segment, found the end; \
         remove the `/` at the end, or put a segment behind it"
    );
}

#[test]
fn literals_compare_decoded() {
    assert_eq!(Template::parse("/a%2F").unwrap().segments(), [literal("a%2F")]);
    assert_eq!(Template::compared("a%2Fb%c3%a9"), "a/b\u{e9}");
}
