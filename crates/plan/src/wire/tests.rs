use std::time::Duration;

use jiff::Timestamp;
use model::{
    Change, ClientName, Condition, Content, ContentPiece, DiffLine, HostName, HostPlan, Place, Plan, Probe,
    Risk, SecretVersion, Step,
};
use proptest::prelude::*;

use super::*;
use crate::assemble::content_hash;

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        Just(Place::Nowhere),
        ".{0,8}".prop_map(|path| Place::File { path }),
        (".{0,8}", any::<u16>(), any::<u16>()).prop_map(|(path, line, column)| Place::Spot {
            path,
            line: line.into(),
            column: column.into()
        }),
    ]
}

fn piece() -> impl Strategy<Value = ContentPiece> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..12).prop_map(ContentPiece::Plain),
        (".{0,6}", ".{0,6}")
            .prop_map(|(name, version)| ContentPiece::Secret(SecretVersion { name, version })),
    ]
}

fn line() -> impl Strategy<Value = DiffLine> {
    prop_oneof![
        ".{0,6}".prop_map(DiffLine::Same),
        ".{0,6}".prop_map(DiffLine::Removed),
        ".{0,6}".prop_map(DiffLine::Added),
    ]
}

fn probe() -> impl Strategy<Value = Probe> {
    (".{0,9}", proptest::option::of(".{0,9}"), proptest::option::of(".{0,9}"))
        .prop_map(|(script, before, after)| Probe { script, before, after })
}

fn step() -> impl Strategy<Value = Step> {
    let texts = (".{0,9}", ".{0,9}", "(.|\n){0,9}");
    let change = prop_oneof![Just(Change::None), Just(Change::Certain), Just(Change::Undecided)];
    let bodies = proptest::collection::vec(proptest::collection::vec(piece(), 0..3).prop_map(Content), 0..3);
    let risks = proptest::sample::subsequence(Risk::ALL.to_vec(), 0..=3);
    let rest = (proptest::collection::vec(line(), 0..4), any::<bool>(), risks, any::<u32>());
    (texts, place(), change, proptest::option::of(probe()), bodies, rest).prop_map(
        |((operation, subject, action), place, change, probe, bodies, (diff, is_handler, risks, time))| {
            Step {
                operation,
                subject,
                place,
                change,
                diff,
                probe,
                action,
                bodies,
                condition: Condition::Always,
                is_handler,
                risks,
                time_limit: Duration::from_millis(time.into()),
            }
        },
    )
}

fn plan() -> impl Strategy<Value = Plan> {
    let steps = proptest::collection::vec(step(), 0..4);
    let host = (steps, 0..4_102_444_800_i64, any::<u32>());
    (".{0,9}", proptest::collection::vec(host, 0..3)).prop_map(|(deploy, hosts)| {
        let host = |(at, (mut steps, seconds, fact_passes)): (usize, (Vec<Step>, i64, u32))| {
            if let [first, .., last] = steps.as_mut_slice() {
                last.condition = Condition::AnyChanged(vec![0]);
                first.is_handler = false;
            }
            HostPlan {
                client: ClientName::new("acme").expect("a name"),
                host: HostName::new(&format!("h{at}")).expect("a name"),
                facts_at: Timestamp::from_second(seconds).expect("a time"),
                fact_passes,
                steps,
            }
        };
        let hosts = hosts.into_iter().enumerate().map(host).collect();
        crate::assemble::plan(&deploy, hosts, crate::deploy::Order::Serial(1))
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(plan in plan()) {
        let bytes = write_plan(&plan);
        prop_assert_eq!(&bytes, &write_plan(&plan));
        let read = read_plan(&bytes).expect("what was written can be read");
        prop_assert_eq!(content_hash(&read), content_hash(&plan));
        prop_assert_eq!(read, plan);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_plan(&bytes);
    }

    #[test]
    fn a_damaged_plan_is_refused_or_another(plan in plan(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = write_plan(&plan);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = read_plan(&bytes);
    }
}

#[test]
fn other_formats_are_named() {
    let check = |text: &str, expected: &str| {
        let error = read_plan(text.as_bytes()).expect_err(text).to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(r#"{"format":3,"new":true}"#, "expected a plan of format 2, got 3");
    check("{}", "missing field");
    check("[", "EOF");
    check(r#"{"format":2,"deploy":"d","waves":[["a"]],"texts":[],"steps":[],"hosts":[]}"#, "every host once");
    let host =
        r#"{"client":"acme","host":"a","facts_at":"2026-11-22T20:00:00Z","fact_passes":1,"steps":[7]}"#;
    let head = r#"{"format":2,"deploy":"d","waves":[["a"]],"texts":[],"steps":[]"#;
    check(&format!(r#"{head},"hosts":[{host}]}}"#), "there is no step 7");
    let step = r#"{"operation":"o","subject":"s","place":"nowhere","change":"none","diff":[],"probe":null,"action":3,"bodies":[],"when_changed":null,"handler":false,"risks":[],"time_limit_ms":1}"#;
    let head = format!(r#"{{"format":2,"deploy":"d","waves":[["a"]],"texts":[""],"steps":[{step}]"#);
    check(&format!(r#"{head},"hosts":[{host}]}}"#), "there is no text 3");
}

fn sample(format: &str) -> Vec<u8> {
    let path = format!("{}/../../fixtures/formats/{format}/plan.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).expect("the sample")
}

/// The sample is what the first release wrote. It is never written again: a change that this test finds
/// needs a new format.
#[test]
fn the_kept_sample_is_read() {
    let bytes = sample("v2");
    let plan = read_plan(&bytes).expect("a plan");
    let text = String::from_utf8(bytes).expect("text");
    assert_eq!(String::from_utf8(write_plan(&plan)).expect("text"), text.trim_end());
    assert_eq!(plan.hosts[0].steps.len(), 3);
    let handler = &plan.hosts[0].steps[2];
    assert!(handler.is_handler);
    assert_eq!(handler.condition, Condition::AnyChanged(vec![0]));
    assert_eq!(plan.hosts[0].steps, plan.hosts[1].steps);
    let error = read_plan(&sample("v1")).expect_err("a plan of the format before");
    assert_eq!(error, PlanFormatError::OtherFormat { expected: 2, got: 1 });
}

/// A step that hosts have in common is written once, and its texts are, so that a large fleet's plan is small.
#[test]
fn what_hosts_share_is_written_once() {
    let one = read_plan(&sample("v2")).expect("a plan");
    let name = |at: usize| HostName::new(&format!("h{at:03}")).expect("a name");
    let host = |at: usize| {
        let mut host = HostPlan { host: name(at), ..one.hosts[0].clone() };
        host.steps[0].action = "x".repeat(10_000);
        // One of its steps is its own, with the same code.
        host.steps[1].subject = format!("group-{at}");
        host.steps[1].action = "x".repeat(10_000);
        host
    };
    let of = |count: usize| {
        crate::assemble::plan("d", (0..count).map(host).collect(), crate::deploy::Order::Together)
    };
    let (few, many) = (write_plan(&of(1)).len(), write_plan(&of(101)).len());
    assert!(few > 10_000 && many < few + 100 * 400, "{few} and {many} bytes");
    assert_eq!(read_plan(&write_plan(&of(101))).expect("a plan"), of(101));
}

/// A few bytes must not become a plan that takes all memory.
#[test]
fn a_plan_that_unfolds_into_too_much_is_refused() {
    let text = "x".repeat(1 << 20);
    let step = r#"{"operation":"o","subject":"s","place":"nowhere","change":"none","diff":[],"probe":null,"action":0,"bodies":[],"when_changed":null,"handler":false,"risks":[],"time_limit_ms":1}"#;
    let steps = vec!["0"; 1_000].join(",");
    let host = format!(
        r#"{{"client":"acme","host":"a","facts_at":"2026-11-22T20:00:00Z","fact_passes":1,"steps":[{steps}]}}"#
    );
    let bytes = format!(
        r#"{{"format":2,"deploy":"d","waves":[["a"]],"texts":["{text}"],"steps":[{step}],"hosts":[{host}]}}"#
    );
    let error = read_plan(bytes.as_bytes()).expect_err("a thousand megabytes");
    assert!(matches!(error, PlanFormatError::TooLarge { got, .. } if got >= 1_000 << 20), "{error}");
}
