//! Channels against servers on loopback that answer well, badly or not at all.

use std::time::Duration;

use model::Severity;
use testkit::{HttpAnswer, HttpSink, SmtpSink};

use super::*;
use crate::bell::{
    self,
    tests::{World, advisory},
};

/// Times that do not keep a test waiting.
const LIMITS: DeliveryLimits = DeliveryLimits {
    attempt_timeout: Duration::from_millis(400),
    attempts: 2,
    first_pause: Duration::from_millis(1),
    pause_max: Duration::from_millis(20),
    run_max: Duration::from_secs(30),
};

const CVE: &str = "CVE-2024-6387";

/// A world in which three hosts, two of acme and one of globex, have just become vulnerable: urgently to
/// one thing, and to another.
async fn alarmed(settings: &str) -> World {
    let world = World::new(settings).await;
    world.feed(&[advisory("CVE-2020-1", "other", "1-r0", None)]).await;
    for host in ["web-1", "web-2", "db-1"] {
        world.scan(host, &[("openssh", "9.6-r0"), ("musl", "1-r0")]).await;
    }
    assert!(world.ring().await.is_empty());
    let urgent = advisory(CVE, "openssh", "9.7-r3", Some(Severity::Critical));
    world.feed(&[urgent, advisory("CVE-2024-2", "musl", "2-r0", Some(Severity::Low))]).await;
    world
}

async fn ring(world: &World) -> DeliveryReport {
    bell::ring(&world.session, &world.channels(LIMITS)).await.expect("rung").deliveries
}

async fn send(world: &World) -> DeliveryReport {
    deliver(&world.session, &world.channels(LIMITS), Waiting::All).await.expect("sent")
}

fn json(request: &testkit::HttpRequest) -> serde_json::Value {
    serde_json::from_slice(&request.body).expect("JSON")
}

fn webhook(sink: &HttpSink, more: &str) -> String {
    format!(
        "[notify.hook]\nkind = \"webhook\"\nurl = \"{}/secret-path\"\nsecret_env = \"SECRET\"\n{more}",
        sink.url()
    )
}

#[tokio::test]
async fn a_webhook_gets_signed_json_once() {
    let sink = HttpSink::start().expect("a server");
    let world = alarmed(&webhook(&sink, "")).await;
    assert_eq!(ring(&world).await.delivered, 2);
    let requests = sink.take();
    let [urgent, digest] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(urgent.line, "POST /secret-path HTTP/1.1");
    let body = json(urgent);
    assert_eq!((&body["urgency"], &body["vulnerability"]), (&"urgent".into(), &CVE.into()));
    assert_eq!(body["hosts"], serde_json::json!({ "acme": 2, "globex": 1 }));
    assert_eq!(body["command"], "ifrit who CVE-2024-6387");
    assert_eq!(body["title"], "CVE-2024-6387 openssh (critical) new on 3 hosts");
    assert_eq!(urgent.header("x-ifrit-message"), body["id"].as_str());
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"hush");
    let signature =
        urgent.header("x-ifrit-signature").and_then(|it| it.strip_prefix("sha256=")).expect("signed");
    let bytes: Vec<u8> = (0..signature.len() / 2)
        .map(|at| u8::from_str_radix(&signature[2 * at..2 * at + 2], 16).expect("hex"))
        .collect();
    assert!(ring::hmac::verify(&key, &urgent.body, &bytes).is_ok());
    assert_eq!(json(digest)["urgency"], "digest");
    assert!(
        json(digest)["text"]
            .as_str()
            .is_some_and(|text| text.contains("new: CVE-2024-2 musl (low): 3 hosts"))
    );
    // Nothing is new, and nothing is sent twice.
    assert_eq!(ring(&world).await, DeliveryReport::default());
    assert_eq!(sink.take(), []);
}

#[tokio::test]
async fn a_channel_for_one_client_tells_nothing_of_others() {
    let sink = HttpSink::start().expect("a server");
    let world = alarmed(&webhook(&sink, "clients = [\"globex\"]\n")).await;
    assert_eq!(ring(&world).await.delivered, 2);
    // Of the next it has no host at all.
    world.scan("web-1", &[("openssh", "9.7-r3"), ("musl", "1-r0")]).await;
    assert_eq!(ring(&world).await.delivered, 0);
    let requests = sink.take();
    assert_eq!(requests.len(), 2);
    for request in requests {
        let text = String::from_utf8(request.body.clone()).expect("text");
        assert!(!text.contains("acme") && !text.contains("3 hosts"), "{text}");
        assert!(
            json(&request)["urgency"] == "digest"
                || json(&request)["hosts"] == serde_json::json!({ "globex": 1 })
        );
        assert!(json(&request)["urgency"] == "digest" || text.contains("--client globex"), "{text}");
    }
}

#[tokio::test]
async fn what_fails_waits_and_is_sent_once_later() {
    let asks_to_wait = || HttpAnswer::Status(429, vec!["Retry-After: 3600".to_owned()]);
    let cases = [
        (vec![asks_to_wait()], "the server answered 429", 1),
        (
            vec![HttpAnswer::Status(500, vec![]), HttpAnswer::Status(500, vec![])],
            "the server answered 500",
            2,
        ),
        (vec![HttpAnswer::Silence, HttpAnswer::Silence], "no answer in time", 2),
        (vec![HttpAnswer::HangUp, HttpAnswer::HangUp], "", 2),
        (vec![HttpAnswer::Status(403, vec![])], "the server answered 403", 1),
        (
            vec![HttpAnswer::Status(302, vec!["Location: http://127.0.0.1:1/".to_owned()])],
            "the server answered 302",
            1,
        ),
    ];
    for (answers, reason, attempts) in cases {
        let sink = HttpSink::start().expect("a server");
        let mut world = alarmed(&webhook(&sink, "only = \"urgent\"\n")).await;
        sink.answer(answers);
        let report = ring(&world).await;
        assert_eq!((report.delivered, report.waiting), (0, 1), "{reason}");
        let failures: Vec<_> = report.failures.iter().collect();
        assert!(failures.len() == 1 && failures[0].1.contains(reason), "{failures:?}");
        assert!(!failures[0].1.contains("hush") && !failures[0].1.contains("secret-path"), "{failures:?}");
        let tried = sink.take();
        assert_eq!(tried.len(), attempts, "{reason}");
        // Its time has not come; the next process sends it all the same when a person says so.
        assert_eq!(ring(&world).await.delivered, 0);
        world.reopen().await;
        assert_eq!(send(&world).await.delivered, 1);
        let later = sink.take();
        assert_eq!(later.len(), 1);
        assert_eq!(later[0].header("x-ifrit-message"), tried[0].header("x-ifrit-message"), "recognisable");
        assert_eq!(send(&world).await, DeliveryReport::default());
    }
}

#[tokio::test]
async fn a_short_pause_that_is_asked_for_is_waited() {
    let sink = HttpSink::start().expect("a server");
    let world = alarmed(&webhook(&sink, "only = \"urgent\"\n")).await;
    sink.answer([HttpAnswer::Status(503, vec!["Retry-After: 0".to_owned()])]);
    assert_eq!(ring(&world).await.delivered, 1);
    assert_eq!(sink.take().len(), 2);
}

#[tokio::test]
async fn a_process_that_is_killed_before_sending_loses_nothing() {
    let sink = HttpSink::start().expect("a server");
    let mut world = alarmed(&webhook(&sink, "")).await;
    // Announced and on record, and then the process is gone.
    let rung = bell::announce(&world.session, &world.channels(LIMITS)).await.expect("rung").expect("alone");
    assert_eq!((rung.announcements.len(), sink.take().len()), (2, 0));
    world.reopen().await;
    let report = ring(&world).await;
    assert_eq!((report.delivered, sink.take().len()), (2, 2), "sent, and not announced again");
}

#[tokio::test]
async fn a_channel_that_is_down_holds_up_no_other() {
    let sink = HttpSink::start().expect("a server");
    let refused = "[notify.a]\nkind = \"ntfy\"\nurl = \"http://127.0.0.1:1/topic\"\n";
    let unusable =
        "[notify.b]\nkind = \"ntfy\"\nurl = \"https://ntfy.example.net/topic\"\ntoken_env = \"NOT_SET\"\n";
    let plain = "[notify.c]\nkind = \"webhook\"\nurl = \"http://192.0.2.1/\"\n";
    let world = alarmed(&format!("{refused}{unusable}{plain}{}", webhook(&sink, ""))).await;
    let report = ring(&world).await;
    assert_eq!((report.delivered, report.waiting, sink.take().len()), (2, 6, 2));
    let channels: Vec<_> = report.failures.iter().map(|(channel, why)| format!("{channel}: {why}")).collect();
    assert!(channels[0].starts_with("a: "), "{channels:?}");
    assert_eq!(channels[1], "b: environment variable NOT_SET is not set");
    assert_eq!(channels[2], "c: the URL must begin with https:// (http:// on this machine only)");
    let list = list(&world.session, &world.channels(LIMITS)).await.expect("listed");
    let waiting: Vec<_> = list.iter().map(|it| (it.name.as_str(), it.waiting, it.target.as_str())).collect();
    assert_eq!(waiting[0], ("a", 2, "http://127.0.0.1:1"));
    assert_eq!((waiting[3].0, waiting[3].1), ("hook", 0));
    assert!(!format!("{list:?}").contains("secret-path"));
}

#[tokio::test]
async fn mail_is_sent_and_a_refusal_tells_no_password() {
    let sink = SmtpSink::start().expect("a server");
    let settings = format!(
        "[notify.mail]\nkind = \"mail\"\nsmtp = \"{}\"\nfrom = \"ifrit <ifrit@example.org>\"\nto = [\"ops@example.org\", \
         \"second@example.org\"]\nuser = \"ifrit\"\npassword_file = \"password\"\nonly = \"urgent\"\n",
        sink.url()
    );
    let world = alarmed(&settings).await;
    world.write("password", "hush\n");
    sink.refuse("535 5.7.8 no: hush is wrong");
    let report = ring(&world).await;
    let why = &report.failures.first().expect("refused").1;
    assert!(why.contains("535") && !why.contains("hush"), "{why}");
    assert_eq!(send(&world).await.delivered, 1);
    let mails = sink.take();
    let [mail] = mails.as_slice() else { panic!("{mails:?}") };
    let envelope: Vec<_> = mail.envelope.iter().filter(|line| !line.starts_with("AUTH")).collect();
    assert_eq!(
        envelope,
        ["MAIL FROM:<ifrit@example.org>", "RCPT TO:<ops@example.org>", "RCPT TO:<second@example.org>"]
    );
    for word in [
        "Subject: [ifrit] CVE-2024-6387 openssh (critical) new on 3 hosts",
        "Message-ID: <",
        "ifrit who CVE-2024-6387",
    ] {
        assert!(mail.data.contains(word), "{word} is missing in\n{}", mail.data);
    }
}

#[tokio::test]
async fn a_storm_is_a_few_messages() {
    let sink = HttpSink::start().expect("a server");
    let world = alarmed(&webhook(&sink, "only = \"urgent\"\n")).await;
    let many: Vec<_> = (1000..1030)
        .map(|number| advisory(&format!("CVE-2024-{number}"), "musl", "2-r0", Some(Severity::Critical)))
        .collect();
    world.feed(&many).await;
    assert_eq!(ring(&world).await.delivered, 10);
    let requests = sink.take();
    assert_eq!(json(&requests[9])["title"], "21 more urgent findings");
    assert!(requests.iter().all(|request| json(request)["text"].as_str().is_some_and(|it| it.len() <= 4000)));
}

#[tokio::test]
async fn a_test_message_is_tried_and_not_kept() {
    let sink = HttpSink::start().expect("a server");
    let world = World::new(&webhook(&sink, "")).await;
    let channels = world.channels(LIMITS);
    assert_eq!(test(&world.session, &channels, None).await.expect("tried").delivered, 1);
    assert_eq!(json(&sink.take()[0])["urgency"], "test");
    sink.answer([HttpAnswer::Status(404, vec![])]);
    let report = test(&world.session, &channels, Some("hook")).await.expect("tried");
    assert_eq!((report.given_up, report.failures.len()), (1, 1));
    assert_eq!(send(&world).await, DeliveryReport::default());
    let unknown = test(&world.session, &channels, Some("nobody")).await;
    assert!(matches!(unknown, Err(Error::ChannelUnknown { given }) if given == "nobody"));
}
