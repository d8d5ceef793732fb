//! The table of all settings.

use std::fmt::Write as _;

use super::{Value, notify};

/// What a setting can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text that is not empty.
    Text,
    /// A list of texts.
    Texts,
    /// One of some words.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Switch,
    /// A whole number within bounds.
    Whole {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
}

impl Kind {
    /// Says what is expected, for messages and the reference.
    pub fn expectation(self) -> String {
        match self {
            Self::Text => "a text that is not empty".to_owned(),
            Self::Texts => "a list of texts".to_owned(),
            Self::OneOf(words) => {
                let quoted: Vec<_> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
                quoted.join(" or ")
            }
            Self::Switch => "`true` or `false`".to_owned(),
            Self::Whole { min, max } => format!("a whole number from {min} to {max}"),
        }
    }
}

/// A default, as Rust data (a [`Value`] cannot stand in a constant).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Preset {
    Text(&'static str),
    Texts(&'static [&'static str]),
    Switch(bool),
    Whole(u64),
}

/// One setting.
#[derive(Debug, PartialEq, Eq)]
pub struct Definition {
    /// The dotted key; at most one dot: `section.key`.
    pub key: &'static str,
    /// What it can be.
    pub kind: Kind,
    preset: Preset,
    /// What it means, for people, full sentences.
    pub doc: &'static str,
}

impl Definition {
    /// Returns the value where nothing else is said.
    pub fn default_value(&self) -> Value {
        match self.preset {
            Preset::Text(text) => Value::Text(text.to_owned()),
            Preset::Texts(texts) => Value::Texts(texts.iter().map(|text| (*text).to_owned()).collect()),
            Preset::Switch(is_on) => Value::Switch(is_on),
            Preset::Whole(number) => Value::Whole(number),
        }
    }

    /// Returns the section (empty for keys at the top) and the key within it.
    pub fn section_and_key(&self) -> (&'static str, &'static str) {
        self.key.split_once('.').unwrap_or(("", self.key))
    }
}

/// Every setting. Top-level keys first, then section by section (TOML wants it so).
pub const DEFINITIONS: [Definition; 58] = [
    Definition {
        key: "database",
        kind: Kind::Text,
        preset: Preset::Text("ifrit.db"),
        doc: "Where everything seen and done is kept: the path of a SQLite file, relative to this file, or a \
              PostgreSQL URL (`postgres://user@host/name`). `IFRIT_DATABASE` and `--database` override it.",
    },
    Definition {
        key: "ssh.user",
        kind: Kind::Text,
        preset: Preset::Text("root"),
        doc: "The login for hosts that declare no `user`.",
    },
    Definition {
        key: "ssh.identities",
        kind: Kind::Texts,
        preset: Preset::Texts(&["~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"]),
        doc: "Private key files to try, in this order; those that do not exist are passed over. `~/` is the \
              home directory; other relative paths start at this file. Keys with a passphrase belong into the agent.",
    },
    Definition {
        key: "ssh.agent",
        kind: Kind::Switch,
        preset: Preset::Switch(true),
        doc: "Whether keys of the SSH agent (`SSH_AUTH_SOCK`) are tried, before the files.",
    },
    Definition {
        key: "ssh.config",
        kind: Kind::Texts,
        preset: Preset::Texts(&["~/.ssh/config"]),
        doc: "Files of OpenSSH's configuration that say how hosts are reached: HostName, User, Port, ProxyJump, \
              IdentityFile and the like. What the inventory says goes before them. An empty list reads none.",
    },
    Definition {
        key: "ssh.known_hosts",
        kind: Kind::Texts,
        preset: Preset::Texts(&["~/.ssh/known_hosts"]),
        doc: "Files of OpenSSH's known hosts. Their keys count for hosts of which neither the inventory nor \
              `ifrit hosts trust` has pinned one; their @revoked keys never count. An empty list reads none.",
    },
    Definition {
        key: "ssh.become",
        kind: Kind::OneOf(&["no", "sudo", "doas"]),
        preset: Preset::Text("no"),
        doc: "How a login over SSH that is not `root` becomes root: not at all, or with sudo or doas, which must \
              ask for no password.",
    },
    Definition {
        key: "ssh.parallel",
        kind: Kind::Whole { min: 1, max: 1000 },
        preset: Preset::Whole(64),
        doc: "How many hosts are talked to at the same time.",
    },
    Definition {
        key: "ssh.connect_timeout_secs",
        kind: Kind::Whole { min: 1, max: 600 },
        preset: Preset::Whole(10),
        doc: "Seconds for connecting to and authenticating at one host.",
    },
    Definition {
        key: "ssh.host_timeout_secs",
        kind: Kind::Whole { min: 1, max: 86_400 },
        preset: Preset::Whole(60),
        doc: "Seconds for everything with one host in one scan, connecting included.",
    },
    Definition {
        key: "ssh.lost_after_secs",
        kind: Kind::Whole { min: 2, max: 3600 },
        preset: Preset::Whole(40),
        doc: "Seconds without a sign of life from a host until its connection counts as lost. ifrit asks for signs of \
              life all the time, and a host gives them also while a step is at work and prints nothing.",
    },
    Definition {
        key: "ssh.silent_secs",
        kind: Kind::Whole { min: 1, max: 3600 },
        preset: Preset::Whole(4),
        doc: "The same for a host that is only connected to or asked: nothing is changed there yet, and others may wait \
              for its answer. A host that takes long to answer is not silent, nor is one behind a slow link.",
    },
    Definition {
        key: "feeds.enabled",
        kind: Kind::Texts,
        preset: Preset::Texts(&[
            "alpine-secdb",
            "cisa-kev",
            "debian-dsa",
            "debian-tracker",
            "epss",
            "freebsd-vuxml",
            "news",
            "osv",
        ]),
        doc: "Feeds that `ifrit feeds sync` fetches.",
    },
    Definition {
        key: "feeds.timeout_secs",
        kind: Kind::Whole { min: 1, max: 3600 },
        preset: Preset::Whole(120),
        doc: "Seconds for one attempt at one document of a feed, from connecting to the last byte.",
    },
    Definition {
        key: "feeds.alpine_secdb_url",
        kind: Kind::Text,
        preset: Preset::Text("https://secdb.alpinelinux.org/{release}/{repository}.json"),
        doc: "Alpine's security database. `{release}` becomes `v3.20` or `edge`, for each release that a scanned host \
              runs; `{repository}` becomes each of `feeds.alpine_repositories`.",
    },
    Definition {
        key: "feeds.alpine_releases",
        kind: Kind::Texts,
        preset: Preset::Texts(&[]),
        doc: "Alpine releases to fetch beside those that hosts run, such as `3.20` or `edge`.",
    },
    Definition {
        key: "feeds.alpine_repositories",
        kind: Kind::Texts,
        preset: Preset::Texts(&["main", "community"]),
        doc: "Alpine repositories to fetch the security database of.",
    },
    Definition {
        key: "feeds.freebsd_vuxml_url",
        kind: Kind::Text,
        preset: Preset::Text("https://vuxml.freebsd.org/freebsd/vuln.xml.xz"),
        doc: "FreeBSD's VuXML: ports, packages and the base system.",
    },
    Definition {
        key: "feeds.debian_tracker_url",
        kind: Kind::Text,
        preset: Preset::Text("https://security-tracker.debian.org/tracker/data/json"),
        doc: "Debian's security tracker: every CVE, fixed or not, of every supported release.",
    },
    Definition {
        key: "feeds.debian_list_urls",
        kind: Kind::Texts,
        preset: Preset::Texts(&[
            "https://salsa.debian.org/security-tracker-team/security-tracker/-/raw/master/data/DSA/list",
            "https://salsa.debian.org/security-tracker-team/security-tracker/-/raw/master/data/DLA/list",
        ]),
        doc: "Debian's lists of DSA and DLA advisories: they give the tracker's CVEs the names of advisories.",
    },
    Definition {
        key: "feeds.osv_url",
        kind: Kind::Text,
        preset: Preset::Text("https://osv-vulnerabilities.storage.googleapis.com/{ecosystem}/all.zip"),
        doc: "OSV's archive of one ecosystem. `{ecosystem}` becomes `Go`, `crates.io`, `Maven`, `npm` or `PyPI`, for each \
              whose software a scan has found outside of packages.",
    },
    Definition {
        key: "feeds.osv_ecosystems",
        kind: Kind::Texts,
        preset: Preset::Texts(&[]),
        doc: "OSV ecosystems to fetch beside those that hosts have software of: `Go`, `Maven`; also `Alpine` and `Debian`, \
              which add to the distribution's own feed.",
    },
    Definition {
        key: "feeds.kev_url",
        kind: Kind::Text,
        preset: Preset::Text(
            "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json",
        ),
        doc: "CISA's catalogue of known exploited vulnerabilities.",
    },
    Definition {
        key: "feeds.epss_url",
        kind: Kind::Text,
        preset: Preset::Text("https://epss.empiricalsecurity.com/epss_scores-current.csv.gz"),
        doc: "EPSS: how likely each CVE is to be exploited within 30 days.",
    },
    Definition {
        key: "feeds.news_urls",
        kind: Kind::Texts,
        preset: Preset::Texts(&[
            "https://alpinelinux.org/atom.xml",
            "https://www.freebsd.org/security/feed.xml",
            "https://www.debian.org/security/dsa",
            "https://seclists.org/rss/oss-sec.rss",
        ]),
        doc: "RSS and Atom documents, for people: mailing lists, advisories of vendors, Mastodon accounts (their \
              address with `.rss` behind it). `ifrit feeds news` lists their items; nothing of them is counted.",
    },
    Definition {
        key: "feeds.trusted_keys",
        kind: Kind::Texts,
        preset: Preset::Texts(&[]),
        doc: "Public keys of feed bundles that `ifrit feeds import` takes, as `ifrit feeds keygen` prints them.",
    },
    Definition {
        key: "deploy.parallel",
        kind: Kind::Whole { min: 1, max: 1000 },
        preset: Preset::Whole(64),
        doc: "How many hosts a plan is applied to at the same time; `--parallel` overrides it.",
    },
    Definition {
        key: "deploy.host_timeout_secs",
        kind: Kind::Whole { min: 1, max: 86_400 },
        preset: Preset::Whole(3600),
        doc: "Seconds for all steps of one host in one run, connecting included. Each step has a limit of its own beside it.",
    },
    Definition {
        key: "deploy.failures_percent_max",
        kind: Kind::Whole { min: 0, max: 100 },
        preset: Preset::Whole(20),
        doc: "How many of a plan's hosts may fail, in percent, before a run starts no further ones; `--max-failures` \
              overrides it. Hosts that run already end in order.",
    },
    Definition {
        key: "deploy.health_command",
        kind: Kind::Texts,
        preset: Preset::Texts(&[]),
        doc: "Program with its arguments that is run here, in the workspace, after each wave of a run; the names of the \
              wave's hosts that are done follow. Another exit status than 0 ends the run before the next wave. \
              Without it nothing is asked.",
    },
    Definition {
        key: "pyinfra.program",
        kind: Kind::Text,
        preset: Preset::Text("pyinfra"),
        doc: "pyinfra 3, for `ifrit pyinfra`: a program in `PATH`, or a path; `~/` is the home directory, other relative \
              paths start at this file. For example `.venv/bin/pyinfra`.",
    },
    Definition {
        key: "pyinfra.parallel",
        kind: Kind::Whole { min: 1, max: 1000 },
        preset: Preset::Whole(8),
        doc: "How many hosts pyinfra works on at the same time: each has a process of its own, of some 50 MB. \
              `--parallel` overrides it.",
    },
    Definition {
        key: "pyinfra.plan_timeout_secs",
        kind: Kind::Whole { min: 1, max: 86_400 },
        preset: Preset::Whole(300),
        doc: "Seconds that `pyinfra --dry` may take for one host. When a plan is applied, `deploy.host_timeout_secs` counts.",
    },
    Definition {
        key: "approval.access",
        kind: Kind::OneOf(&["none", "four-eyes"]),
        preset: Preset::Text("none"),
        doc: "Whether a plan with a step that changes who gets in (accounts, keys, privileges, sshd, firewall) needs the \
              approval of a second person before `ifrit apply` takes it.",
    },
    Definition {
        key: "approval.data",
        kind: Kind::OneOf(&["none", "four-eyes"]),
        preset: Preset::Text("none"),
        doc: "As `approval.access`, for steps that lose something that no step brings back.",
    },
    Definition {
        key: "approval.reboot",
        kind: Kind::OneOf(&["none", "four-eyes"]),
        preset: Preset::Text("none"),
        doc: "As `approval.access`, for steps that restart a host.",
    },
    Definition {
        key: "approval.restart",
        kind: Kind::OneOf(&["none", "four-eyes"]),
        preset: Preset::Text("none"),
        doc: "As `approval.access`, for steps that stop or restart a service.",
    },
    Definition {
        key: "approval.unknown",
        kind: Kind::OneOf(&["none", "four-eyes"]),
        preset: Preset::Text("none"),
        doc: "As `approval.access`, for steps whose effect is known to their author alone: commands.",
    },
    Definition {
        key: "approval.expires_hours",
        kind: Kind::Whole { min: 1, max: 720 },
        preset: Preset::Whole(24),
        doc: "Hours after which an approval no longer counts.",
    },
    Definition {
        key: "incident.deadline_days",
        kind: Kind::Whole { min: 1, max: 365 },
        preset: Preset::Whole(7),
        doc: "Days from when a host was found to be vulnerable until it must be patched; `ifrit incident show` judges \
              by it.",
    },
    Definition {
        key: "incident.deadline_exploited_hours",
        kind: Kind::Whole { min: 1, max: 8760 },
        preset: Preset::Whole(48),
        doc: "The same in hours, where CISA's catalogue says that the vulnerability is being exploited.",
    },
    Definition {
        key: "incident.target_minutes",
        kind: Kind::Whole { min: 1, max: 10_080 },
        preset: Preset::Whole(15),
        doc: "Minutes that the team wants an emergency to take, from the advisory to the last verified host; \
              `ifrit drill` measures against it.",
    },
    Definition {
        key: "respond.canaries",
        kind: Kind::Whole { min: 1, max: 1000 },
        preset: Preset::Whole(1),
        doc: "How many hosts of each platform `ifrit respond` patches before all others: those whose failure would hurt least.",
    },
    Definition {
        key: "respond.wave_hosts",
        kind: Kind::Whole { min: 1, max: 100_000 },
        preset: Preset::Whole(50),
        doc: "How many hosts `ifrit respond` patches in each wave after the canary hosts.",
    },
    Definition {
        key: "respond.unattended",
        kind: Kind::OneOf(&["never", "exercise", "always"]),
        preset: Preset::Text("never"),
        doc: "When `--yes` may answer the questions of `ifrit respond` and `ifrit drill`: `exercise` in drills alone. Approvals \
              are asked for in any case.",
    },
    Definition {
        key: "respond.reports",
        kind: Kind::Text,
        preset: Preset::Text("reports"),
        doc: "The directory, below the workspace, where `ifrit respond` writes the clients' reports.",
    },
    Definition {
        key: "drill.fleet_command",
        kind: Kind::Texts,
        preset: Preset::Texts(&[]),
        doc: "The program, with its arguments, that brings up a throw-away fleet and runs `ifrit drill` on it, for `ifrit drill \
              --fleet`; it finds this ifrit in IFRIT_BINARY.",
    },
    Definition {
        key: "secrets.source",
        kind: Kind::OneOf(&["sealed", "file", "env", "command"]),
        preset: Preset::Text("sealed"),
        doc: "Where `secret(\"NAME\")` in deploys finds its value: `sealed` in the database (`ifrit secret set`), `file`: \
              the file NAME below `secrets.directory`, `env`: the environment variable `IFRIT_SECRET_NAME` (capitals; \
              `_` for everything else but digits), `command`: what `secrets.command` prints.",
    },
    Definition {
        key: "secrets.directory",
        kind: Kind::Text,
        preset: Preset::Text("secrets"),
        doc: "The directory with a file for each secret, where `secrets.source` is `file`. `~/` is the home directory; \
              other relative paths start at this file. Keep it out of git.",
    },
    Definition {
        key: "secrets.command",
        kind: Kind::Texts,
        preset: Preset::Texts(&[]),
        doc: "Program and arguments that print a secret, where `secrets.source` is `command`; `{name}` in an argument \
              becomes the secret's name. No shell is involved. For example `[\"pass\", \"show\", \"ifrit/{name}\"]`.",
    },
    Definition {
        key: "secrets.key_file",
        kind: Kind::Text,
        preset: Preset::Text("~/.config/ifrit/secrets.key"),
        doc: "The key that seals secrets in the database and that tells versions of a secret apart in plans, whatever \
              `secrets.source` is; `ifrit secret keygen` makes it. Everybody who plans and applies needs the same one.",
    },
    Definition {
        key: "audit.anchors",
        kind: Kind::Texts,
        preset: Preset::Texts(&["git"]),
        doc: "Places outside of the database that checkpoints of the audit record are brought to, after each run and by \
              `ifrit audit checkpoint`: `git` (a note in the workspace's repository), `notify:NAME` (a channel of \
              `[notify.NAME]`), `file:PATH` (appended to; `~/` is the home directory, other relative paths start at this \
              file), such as a file on another host's disk.",
    },
    Definition {
        key: "audit.git_ref",
        kind: Kind::Text,
        preset: Preset::Text("refs/notes/ifrit-audit"),
        doc: "The ref of the git notes of the anchor `git`. Each database needs its own.",
    },
    Definition {
        key: "audit.push_remotes",
        kind: Kind::Texts,
        preset: Preset::Texts(&[]),
        doc: "Git remotes that these notes are pushed to, never with force. None is asked where the list is empty.",
    },
    Definition {
        key: "audit.anchor_hours_max",
        kind: Kind::Whole { min: 1, max: 8760 },
        preset: Preset::Whole(24),
        doc: "Hours after which `ifrit audit verify` warns that the newest anchor is old.",
    },
    Definition {
        key: "audit.checkpoint_secs",
        kind: Kind::Whole { min: 0, max: 86_400 },
        preset: Preset::Whole(300),
        doc: "After a run a checkpoint is signed at once; after a plan, an approval or a secret, once the last one is so many \
              seconds old.",
    },
    Definition {
        key: "audit.key_file",
        kind: Kind::Text,
        preset: Preset::Text("~/.config/ifrit/audit.key"),
        doc: "The key that signs checkpoints; it is made where there is none. `ifrit audit key` prints its public half.",
    },
    Definition {
        key: "audit.trusted_keys",
        kind: Kind::Texts,
        preset: Preset::Texts(&[]),
        doc: "Public keys whose checkpoints count beside those of the own key, as `ifrit audit key` prints them: those of \
              everybody who works with this database, and former ones.",
    },
];

/// Returns the `ifrit.toml` that `ifrit init` writes: every key, commented out at its default.
pub fn render_template() -> String {
    let mut text = String::from(
        "# Settings of this ifrit workspace. Every key is shown with its default; uncomment what you change.\n\
         # `ifrit config show` prints each value and where it comes from.\n",
    );
    let mut section = "";
    for definition in &DEFINITIONS {
        let (its_section, key) = definition.section_and_key();
        if its_section != section {
            let _ = write!(text, "\n[{its_section}]\n");
            section = its_section;
        }
        text.push('\n');
        for line in wrap(definition.doc) {
            let _ = writeln!(text, "# {line}");
        }
        let _ = writeln!(text, "# {key} = {}", definition.default_value());
    }
    text.push_str(notify::render_template());
    text
}

/// Returns docs/reference/config.md.
pub fn render_reference() -> String {
    let mut text = String::from(
        "# ifrit.toml\n\n\
         Settings of a workspace. Precedence: flag, environment variable, file, default. A key that is not\n\
         listed here is an error. `ifrit config show` prints each value with its origin.\n",
    );
    for definition in &DEFINITIONS {
        let _ = write!(
            text,
            "\n## `{}`\n\n{}\n\n- takes: {}\n- default: `{}`\n",
            definition.key,
            definition.doc,
            definition.kind.expectation(),
            definition.default_value()
        );
    }
    text.push_str(&notify::render_reference());
    text
}

/// Breaks text at words into lines of at most 96 characters.
fn wrap(text: &str) -> Vec<String> {
    const LINE_CHARS_MAX: usize = 96;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("invariant: the list starts with one line and only grows");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= LINE_CHARS_MAX {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
