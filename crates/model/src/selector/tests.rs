use proptest::prelude::*;

use super::*;

const HOST: HostAttributes<'static> = HostAttributes {
    name: "lb-1",
    client: "acme",
    services: &["haproxy", "ntpd"],
    tags: &["edge"],
    os: Some("alpine:3.20"),
    site: None,
    groups: &["balancers"],
};

#[track_caller]
fn check(text: &str, canonical: &str, is_match: bool) {
    let selector = Selector::parse(text).expect(text);
    assert_eq!(selector.to_string(), canonical, "{text}");
    assert_eq!(selector.matches(&HOST), is_match, "{text}");
    assert_eq!(Selector::parse(canonical), Ok(selector), "{text}");
}

#[test]
fn terms_look_at_their_attribute() {
    check("lb-1", "lb-1", true);
    check("lb-2", "lb-2", false);
    check("acme", "acme", false);
    check("name:lb-*", "lb-*", true);
    check("LB-1", "LB-1", false);
    check("client:acme", "client:acme", true);
    check("client:ac", "client:ac", false);
    check("service:haproxy", "service:haproxy", true);
    check("service:ntp?", "service:ntp?", true);
    check("service:web", "service:web", false);
    check("tag:edge", "tag:edge", true);
    check("group:balancers", "group:balancers", true);
    check("os:alpine", "os:alpine", true);
    check("os:alpine:3.2*", "os:alpine:3.2*", true);
    check("os:alpine:3.19", "os:alpine:3.19", false);
    check("site:*", "site:*", false);
    check("*", "*", true);
}

#[test]
fn operators_bind_as_written_down() {
    check("client:acme service:haproxy not site:dxb", "client:acme service:haproxy not site:dxb", true);
    check("client:acme and tag:edge", "client:acme tag:edge", true);
    check("client:acme tag:core", "client:acme tag:core", false);
    check("tag:core or tag:edge", "tag:core or tag:edge", true);
    check("lb-1 or tag:a tag:b", "lb-1 or tag:a tag:b", true);
    check("(lb-1 or tag:a) tag:b", "(lb-1 or tag:a) tag:b", false);
    check("not lb-1 or lb-1", "not lb-1 or lb-1", true);
    check("not (lb-1 or lb-2)", "not (lb-1 or lb-2)", false);
    check("not(lb-1 tag:a)", "not (lb-1 tag:a)", true);
    check("not not lb-1", "not not lb-1", true);
    check("NOT lb-2 AND lb-1", "not lb-2 lb-1", true);
    check(" (((lb-1)))\t( a or\n(b or *) ) ", "lb-1 (a or b or *)", true);
    check("name:and or name:Not", "name:and or name:Not", false);
}

#[test]
fn everything_matches_every_host() {
    assert_eq!(Selector::everything().to_string(), "*");
    assert_eq!(Selector::parse("*"), Ok(Selector::everything()));
    assert!(Selector::everything().matches(&HostAttributes::default()));
}

#[track_caller]
fn check_error(text: &str, expected: &str) {
    let error = Selector::parse(text).expect_err(text);
    assert_eq!(error.to_string(), expected, "{text}");
}

#[test]
fn errors_point_at_the_column() {
    let term = "expected a name, `key:value`, `not`, `(`";
    let keys = "expected client, group, name, os, service, site, tag";
    let characters = "expected letters, digits, `.`, `_`, `-`, `*`, `?`";
    let check = |text: &str, expected: String| check_error(text, &expected);
    check("", format!("column 1: the selector is empty, {term} (write `*` to select every host)"));
    check("sevice:web", format!("column 1: unknown key `sevice`, {keys} (did you mean `service`?)"));
    check("a Tags:web", format!("column 3: unknown key `Tags`, {keys} (did you mean `tag`?)"));
    check("a zz:web", format!("column 3: unknown key `zz`, {keys}"));
    check(":web", format!("column 1: unknown key ``, {keys}"));
    let hint = "no space may stand after the colon";
    check("tag: web", format!("column 5: `tag:` has no value, expected a name or pattern ({hint})"));
    check("a or", format!("column 5: nothing follows `or`, {term}"));
    check("not", format!("column 4: nothing follows `not`, {term}"));
    check("a ()", format!("column 4: `)` stands where a term belongs, {term}"));
    check("or a", format!("column 1: `or` stands where a term belongs, {term}"));
    check("a and and b", format!("column 7: `and` stands where a term belongs, {term}"));
    check("a (b or (c)", "column 3: this `(` is never closed".to_owned());
    check("a) b", "column 2: this `)` closes nothing".to_owned());
    check("tag:\u{fc}", format!("column 5: unexpected character `ü`, {characters}"));
    check("a !b", format!("column 3: unexpected character `!`, {characters} (write `not` for the opposite)"));
    check(
        "a,b",
        format!("column 2: unexpected character `,`, {characters} (write `or` between alternatives)"),
    );
    check("name:a:b", format!("column 7: unexpected character `:`, {characters}"));
    check("a\u{1b}[2J", format!("column 2: unexpected character `\\u{{1b}}`, {characters}"));
}

#[test]
fn limits_hold() {
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Selector::parse(&nested(SELECTOR_DEPTH_MAX - 1)).is_ok());
    assert_eq!(Selector::parse(&nested(SELECTOR_DEPTH_MAX)).map_err(|error| error.column), Err(33));
    assert!(Selector::parse(&"not ".repeat(1000)).is_err());
    assert!(Selector::parse(&"a".repeat(SELECTOR_BYTES_MAX)).is_ok());
    assert!(Selector::parse(&"a".repeat(SELECTOR_BYTES_MAX + 1)).is_err());
    // Fits as it is typed, not as it is printed.
    assert!(Selector::parse(&"a(b or c)".repeat(SELECTOR_BYTES_MAX / 9)).is_err());
}

#[test]
fn globs_match_whole_texts() {
    let check = |glob: &str, text: &str, expected: bool| {
        assert_eq!(Glob::new(glob).matches(text), expected, "{glob} {text}");
    };
    check("*", "", true);
    check("?", "", false);
    check("?", "é", true);
    check("a*b*c", "a-b-b-c", true);
    check("a*b*c", "a-b-b-c-", false);
    check("*1", "web-11", true);
    check("**a", "a", true);
    check("a?*", "a", false);
    check(&"a*".repeat(100), &"a".repeat(253), true);
    check(&format!("{}b", "a*".repeat(100)), &"a".repeat(253), false);
}

fn any_expression() -> impl Strategy<Value = Expression> {
    let term = prop_oneof![
        (prop::sample::select(Key::ALL.to_vec()), "[a-zA-Z0-9._*?-]{1,6}|and|OR|not")
            .prop_map(|(key, value)| Expression::Term(key, Glob::new(&value))),
        "[a-z]{1,3}:[0-9.*]{0,3}".prop_map(|value| Expression::Term(Key::Os, Glob::new(&value))),
    ];
    term.prop_recursive(5, 40, 4, |inner| {
        let parts = || prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            parts().prop_map(Expression::all),
            parts().prop_map(Expression::any),
            inner.clone().prop_map(|part| Expression::Not(Box::new(part))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(selector in any_expression().prop_map(Selector)) {
        prop_assert_eq!(Selector::parse(&selector.to_string()), Ok(selector));
    }

    #[test]
    fn any_text_is_read_or_refused_inside_itself(text in any::<String>()) {
        check_any(&text)?;
    }

    #[test]
    fn any_words_are_read_or_refused_inside_themselves(
        words in prop::collection::vec("a|not|and|or|\\(|\\)|tag:|tag:x|os:a:1|x:y|\\*|é|:", 0..12),
        separator in " |",
    ) {
        check_any(&words.join(&separator))?;
    }
}

fn check_any(text: &str) -> Result<(), TestCaseError> {
    match Selector::parse(text) {
        Ok(selector) => prop_assert_eq!(Selector::parse(&selector.to_string()), Ok(selector)),
        Err(error) => prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "{}", error),
    }
    Ok(())
}
