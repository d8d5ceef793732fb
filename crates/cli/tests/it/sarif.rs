//! `ifrit check --sarif` against the structure that SARIF 2.1.0 asks for.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::command::Ifrit;

fn document(inventory: &str, exit: i32) -> Value {
    let ifrit = Ifrit::new();
    ifrit.write("ifrit.toml", "");
    ifrit.write("inventory/a b.star", inventory);
    let mut rows = ifrit.run(&["check", "--sarif"]).expect_exit(exit).rows();
    assert_eq!(rows.len(), 1, "one document and nothing else");
    rows.remove(0)
}

/// Holds what §3.13 to §3.52 of the standard require of the properties that we write.
fn check_structure(document: &Value) {
    assert_eq!(document["version"], "2.1.0");
    assert!(document["$schema"].as_str().is_some_and(|it| it.ends_with("sarif-schema-2.1.0.json")));
    let run = &document["runs"][0];
    assert_eq!(run["tool"]["driver"]["name"], "ifrit");
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let base = run["originalUriBaseIds"]["%SRCROOT%"]["uri"].as_str().expect("the base of all paths");
    assert!(base.starts_with("file:///") && base.ends_with('/'), "{base}");
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    let ids: BTreeSet<&str> = rules.iter().map(|rule| rule["id"].as_str().expect("an id")).collect();
    assert_eq!(ids.len(), rules.len(), "rules are unique");
    for rule in rules {
        assert!(rule["shortDescription"]["text"].as_str().is_some_and(|it| !it.is_empty()), "{rule}");
        assert!(
            ["error", "warning"].map(Value::from).contains(&rule["defaultConfiguration"]["level"]),
            "{rule}"
        );
    }
    for result in run["results"].as_array().expect("results, even if there are none") {
        let index = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("it fits");
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["error", "warning"].map(Value::from).contains(&result["level"]), "{result}");
        assert!(result["message"]["text"].as_str().is_some_and(|it| !it.is_empty()), "{result}");
        for location in result["locations"].as_array().expect("locations") {
            let place = &location["physicalLocation"];
            assert_eq!(place["artifactLocation"]["uriBaseId"], "%SRCROOT%");
            if let Some(region) = place.get("region") {
                assert!(region["startLine"].as_u64() >= Some(1) && region["startColumn"].as_u64() >= Some(1));
            }
        }
    }
}

#[test]
fn problems_are_results_at_their_place() {
    let document = document(
        "client(\"acme\")\nhost(\"web-1\", client = \"acmee\")\nnetwork(\"10.0.0.0/8\")\nnetwork(\"10.1.0.0/16\")\n",
        1,
    );
    check_structure(&document);
    let results = document["runs"][0]["results"].as_array().expect("results");
    let ids: Vec<&Value> = results.iter().map(|it| &it["ruleId"]).collect();
    assert_eq!(ids, ["inventory.unknown-reference", "inventory.overlapping-networks"]);
    assert_eq!((&results[0]["level"], &results[1]["level"]), (&"error".into(), &"warning".into()));
    let place = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "inventory/a%20b.star");
    assert_eq!((&place["region"]["startLine"], &place["region"]["startColumn"]), (&2.into(), &1.into()));
    let text = results[0]["message"]["text"].as_str().expect("a message");
    assert!(text.contains("hint: did you mean `acme`?"), "{text}");
}

#[test]
fn a_sound_workspace_has_no_results() {
    let document = document("client(\"acme\")\n", 0);
    check_structure(&document);
    assert_eq!(document["runs"][0]["results"], Value::Array(Vec::new()));
}

#[test]
fn one_form_at_a_time() {
    let _ = Ifrit::new().run(&["check", "--sarif", "--json"]).expect_exit(2);
}
