use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;

use super::*;

const HOME: &str = "/home/me";

fn asked(name: &str) -> Asked<'_> {
    Asked { name, user: None, default_user: "fallback", home: Some(Path::new(HOME)), local_user: "me" }
}

fn parse(text: &str) -> (SshConfig, Vec<Problem>) {
    SshConfig::parse("config", text, &mut |_| Vec::new())
}

fn resolve(text: &str, name: &str) -> Resolved {
    parse(text).0.resolve(&asked(name))
}

#[test]
fn the_first_value_wins() {
    let text = "User early\nHost web*\n Port 2200\n User late\nHost *\n Port 1\n HostName=%h.example.org\n";
    let found = resolve(text, "web1");
    assert_eq!((found.user.as_str(), found.port), ("early", Some(2200)));
    assert_eq!(found.host_name, "web1.example.org");
    assert_eq!(resolve(text, "db1").port, Some(1));
    assert_eq!(resolve("", "db1").user, "fallback");
}

#[test]
fn a_decided_user_beats_the_file() {
    let (config, _) = parse("User file\nIdentityFile ~/.ssh/%r@%h\n");
    let found = config.resolve(&Asked { user: Some("declared"), ..asked("h") });
    assert_eq!(found.user, "declared");
    assert_eq!(found.identity_files, [PathBuf::from("/home/me/.ssh/declared@h")]);
}

#[test]
fn tokens_and_homes_become_paths() {
    let found = resolve(
        "HostName real.example.org\nUser root\nPort 7\nIdentityFile \"~/a b/%n-%h-%p-%u-%%\"\nCertificateFile %d/c\n\
         IdentityAgent ~/agent\n",
        "alias",
    );
    assert_eq!(found.identity_files, [PathBuf::from("/home/me/a b/alias-real.example.org-7-me-%")]);
    assert_eq!(found.certificate_files, [PathBuf::from("/home/me/c")]);
    assert_eq!(found.agent, AgentChoice::Socket(PathBuf::from("/home/me/agent")));
    assert_eq!(resolve("IdentityAgent none", "h").agent, AgentChoice::Off);
    assert_eq!(resolve("IdentityAgent SSH_AUTH_SOCK", "h").agent, AgentChoice::Usual);
}

#[test]
fn what_ifrit_cannot_do_refuses_the_host_and_no_other() {
    let cases = [
        "ProxyCommand nc %h %p",
        "Port 0",
        "Port 70000",
        "HostName a b",
        "HostName",
        "HostName %z",
        "HostName -oProxyCommand=x",
        "ProxyJump -oX",
        "IdentityFile %C",
        "IdentityFile ~other/key",
        "IdentityAgent ${AGENT}",
        "IdentitiesOnly perhaps",
        "User \"x",
    ];
    for line in cases {
        let text = format!("Host bad\n {line}\nHost *\n User u\n");
        let refused = resolve(&text, "bad").refused.unwrap_or_else(|| panic!("{line}"));
        assert_eq!(refused.code, Code::CollectSshConfig, "{line}");
        assert_eq!(resolve(&text, "good").refused, None, "{line}");
    }
}

#[test]
fn the_first_of_jump_and_command_counts() {
    let found = resolve("ProxyJump j\nProxyCommand x\n", "h");
    assert_eq!((found.jumps.len(), found.refused), (1, None));
    assert!(resolve("ProxyCommand x\nProxyJump j\n", "h").refused.is_some());
    let found = resolve("ProxyCommand none\nProxyJump j\n", "h");
    assert_eq!((found.jumps.len(), found.refused), (0, None));
}

#[test]
fn jumps_have_users_and_ports() {
    let spec = |user: Option<&str>, host: &str, port| {
        Some(JumpSpec { user: user.map(str::to_owned), host: host.to_owned(), port })
    };
    let cases = [
        ("j", spec(None, "j", None)),
        ("me@j:22", spec(Some("me"), "j", Some(22))),
        ("a@b@j", spec(Some("a@b"), "j", None)),
        ("ssh://me@j:1/", spec(Some("me"), "j", Some(1))),
        ("[::1]:22", spec(None, "::1", Some(22))),
        ("::1", spec(None, "::1", None)),
        ("", None),
        ("@j", None),
        ("j:", None),
        ("j:0", None),
        ("-x", None),
        ("[::1", None),
    ];
    for (text, expected) in cases {
        assert_eq!(JumpSpec::parse(text), expected, "{text}");
    }
    assert_eq!(resolve("ProxyJump a,b", "h").jumps.len(), 2);
    assert_eq!(resolve("ProxyJump none", "h").jumps, []);
}

#[test]
fn conditions_that_are_not_understood_leave_their_block_out() {
    let text = "Match exec \"true\"\n User never\nMatch host h\n Port 2\n";
    let (config, problems) = parse(text);
    let found = config.resolve(&asked("h"));
    assert_eq!((found.user.as_str(), found.port), ("fallback", Some(2)));
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].place, Place::Spot { path: "config".to_owned(), line: 1, column: 1 });
}

#[test]
fn lines_that_switch_checks_off_are_named() {
    for line in
        ["StrictHostKeyChecking no", "userknownhostsfile=/dev/null", "StrictHostKeyChecking accept-new"]
    {
        let (config, problems) = parse(line);
        assert_eq!(problems.len(), 1, "{line}");
        assert_eq!(config.resolve(&asked("h")).refused, None);
    }
    assert_eq!(parse("StrictHostKeyChecking yes\nCompression yes\nWhatever x").1, []);
}

#[test]
fn includes_count_where_their_block_does_and_end() {
    let mut include = |pattern: &str| {
        let text = match pattern {
            "inner" => Ok("Port 5\nHost h*\n User inner\n".to_owned()),
            "self" => Ok("Include self\n".to_owned()),
            _ => Err("gone".to_owned()),
        };
        vec![IncludedFile { path: pattern.to_owned(), text }]
    };
    let (config, problems) =
        SshConfig::parse("config", "Host host\n Include inner\n IdentitiesOnly yes\n", &mut include);
    assert_eq!(problems, []);
    let found = config.resolve(&asked("host"));
    assert_eq!((found.user.as_str(), found.port, found.identities_only), ("inner", Some(5), true));
    let found = config.resolve(&asked("hxxx"));
    assert_eq!((found.user.as_str(), found.port), ("fallback", None));
    for pattern in ["self", "missing"] {
        let (config, problems) = SshConfig::parse("config", &format!("Include {pattern}"), &mut include);
        assert_eq!(problems.len(), 1, "{pattern}");
        assert!(config.resolve(&asked("h")).refused.is_some(), "{pattern}");
    }
}

#[test]
fn files_are_included_by_pattern() {
    let home = tempfile::tempdir().expect("a directory");
    let ssh = home.path().join(".ssh");
    std::fs::create_dir_all(ssh.join("conf.d")).expect("a directory");
    for (name, text) in
        [("conf.d/a.conf", "User a\n"), ("conf.d/b.conf", "User b\nPort 9\n"), ("conf.d/.c.conf", "Port 1\n")]
    {
        std::fs::write(ssh.join(name), text).expect("a file");
    }
    std::fs::write(ssh.join("config"), "Include conf.d/*.conf ~/.ssh/none*\n").expect("a file");
    let (config, problems) = read_ssh_config(&ssh.join("config"), Some(home.path()));
    assert_eq!(problems, []);
    let found = config.resolve(&asked("h"));
    assert_eq!((found.user.as_str(), found.port), ("a", Some(9)));
    let (config, problems) = read_ssh_config(&ssh.join("absent"), Some(home.path()));
    assert!(problems.is_empty() && config.entries.is_empty());
    let (config, problems) = read_ssh_config(&ssh, Some(home.path()));
    assert_eq!(problems.len(), 1);
    assert!(config.resolve(&asked("h")).refused.is_some());
}

const PIECES: [&str; 34] = [
    "Host *",
    "Host web1",
    "Host web* !web2",
    "Host db?",
    "Host *.org",
    "Host \"web1\" db1",
    "Host !web1",
    "Match all",
    "Match host web1",
    "Match originalhost web*,db1",
    "Match !host web1",
    "Match host *.org",
    "HostName %h.org",
    "HostName=10.0.0.1",
    "HostName \"web9.ORG\"",
    "User one",
    "user \"two\"",
    "User = three # x",
    "Port 2222",
    "Port=22",
    "\tPort\t 8022",
    "ProxyJump j1",
    "ProxyJump me@j1:23,j2",
    "ProxyJump none",
    "IdentityFile ~/.ssh/a",
    "IdentityFile /k/b",
    "IdentitiesOnly yes",
    "IdentitiesOnly no",
    "CertificateFile /c/x",
    "HostKeyAlias other",
    "HostKeyAlias=third",
    "# comment",
    "",
    "ServerAliveInterval 5",
];

/// What `ssh -G` says, by keyword.
fn openssh(path: &Path, name: &str) -> Option<Vec<(String, String)>> {
    let output = Command::new("ssh").arg("-G").arg("-F").arg(path).arg(name).output().ok()?;
    assert!(output.status.success(), "{output:?} {:?}", std::fs::read_to_string(path));
    let text = String::from_utf8(output.stdout).expect("text");
    Some(
        text.lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect(),
    )
}

fn compare(text: &str, name: &str, said: &[(String, String)]) {
    let one = |key: &str| said.iter().find(|(its, _)| its == key).map(|(_, value)| value.as_str());
    let all = |key: &str| -> Vec<&str> {
        said.iter().filter(|(its, _)| its == key).map(|(_, value)| value.as_str()).collect()
    };
    let (config, _) = parse(text);
    let ours = config.resolve(&asked(name));
    assert_eq!(ours.refused, None, "{text}");
    let found = config.gather(&asked(name));
    assert_eq!(one("hostname"), Some(ours.host_name.as_str()), "{name}: {text}");
    assert_eq!(one("port"), Some(ours.port.unwrap_or(22).to_string().as_str()), "{name}: {text}");
    if let Some(user) = &found.user {
        assert_eq!(one("user"), Some(user.as_str()), "{name}: {text}");
    }
    assert_eq!(
        one("hostkeyalias").filter(|alias| *alias != "none"),
        ours.host_key_alias.as_deref(),
        "{name}: {text}"
    );
    assert_eq!(
        one("identitiesonly"),
        Some(if ours.identities_only { "yes" } else { "no" }),
        "{name}: {text}"
    );
    if !found.identity_files.is_empty() {
        assert_eq!(all("identityfile"), found.identity_files, "{name}: {text}");
    }
    assert_eq!(all("certificatefile"), found.certificate_files, "{name}: {text}");
    let jumps = one("proxyjump").filter(|jumps| *jumps != "none").map(|jumps| {
        jumps.split(',').map(|jump| JumpSpec::parse(jump).expect("ssh writes jumps")).collect::<Vec<_>>()
    });
    assert_eq!(jumps.unwrap_or_default(), ours.jumps, "{name}: {text}");
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn it_agrees_with_openssh() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("config");
    // A fixed walk through combinations of lines: the same in every run.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).expect("invariant: below a usize")
    };
    for _ in 0..120 {
        let lines: Vec<_> = (0..3 + next(12)).map(|_| PIECES[next(PIECES.len())]).collect();
        let text = format!("{}\n", lines.join("\n"));
        std::fs::write(&path, &text).expect("a file");
        for name in ["web1", "web2", "db1", "a.org"] {
            let Some(said) = openssh(&path, name) else {
                return eprintln!("SKIPPED: ssh is not installed (Debian: openssh-client)");
            };
            compare(&text, name, &said);
        }
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "(?s).{0,300}", name in ".{0,20}") {
        let (config, _) = parse(&text);
        config.resolve(&asked(&name));
    }

    #[test]
    fn no_lines_panic(lines in prop::collection::vec(("[a-zA-Z]{4,14}|Host|Match|Include|HostName|ProxyJump|IdentityFile", "[ =\t]{0,3}", "[a-z*?!%\"'\\\\~@:,\\[\\] =#-]{0,20}"), 0..20)) {
        let text: String = lines.into_iter().map(|(word, gap, rest)| format!("{word}{gap}{rest}\n")).collect();
        let (config, _) = parse(&text);
        config.resolve(&asked("web1"));
    }
}
