//! A root directory with a shell, the small tools of busybox, and stand-ins for everything that would change a
//! system: a host on which any step may run, whatever is in it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What runs for real: busybox's applets that only touch files.
const REAL: [&str; 43] = [
    "[",
    "awk",
    "basename",
    "cat",
    "chgrp",
    "chmod",
    "chown",
    "cmp",
    "cp",
    "cut",
    "diff",
    "dirname",
    "echo",
    "env",
    "expr",
    "false",
    "find",
    "grep",
    "head",
    "id",
    "ln",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "od",
    "printf",
    "readlink",
    "rm",
    "rmdir",
    "sed",
    "sha256sum",
    "sort",
    "stat",
    "tail",
    "tar",
    "test",
    "touch",
    "tr",
    "true",
    "uniq",
    "wc",
    "xargs",
];
/// What only notes how it was called.
const NOTED: [&str; 74] = [
    "addgroup",
    "adduser",
    "apk",
    "apt-get",
    "apt-mark",
    "chflags",
    "chpasswd",
    "crontab",
    "curl",
    "delgroup",
    "deluser",
    "doas",
    "dpkg",
    "dpkg-deb",
    "dpkg-query",
    "fetch",
    "freebsd-update",
    "freebsd-version",
    "fsync",
    "git",
    "gpg",
    "groupadd",
    "groupdel",
    "groupmod",
    "gzip",
    "hostname",
    "jail",
    "jexec",
    "jls",
    "kill",
    "kldload",
    "kldstat",
    "kldunload",
    "lbu",
    "locale",
    "locale-gen",
    "localedef",
    "modprobe",
    "mount",
    "nc",
    "netstat",
    "openssl",
    "openrc",
    "pfctl",
    "pkg",
    "pkg-static",
    "pkill",
    "procstat",
    "pw",
    "rc-service",
    "rc-update",
    "reboot",
    "service",
    "shutdown",
    "sleep",
    "sockstat",
    "ss",
    "ssh",
    "sshd",
    "su",
    "sudo",
    "sv",
    "sync",
    "sysctl",
    "sysrc",
    "systemctl",
    "umount",
    "uname",
    "unzip",
    "update-rc.d",
    "useradd",
    "userdel",
    "usermod",
    "visudo",
];
/// Notes its name and its words, each between brackets.
const NOTES: &str = "#!/bin/dash\n{ printf '%s' \"${0##*/}\"; printf ' [%s]' \"$@\"; echo; } >>/log\n";
/// Gives time that passes quickly, so that nothing is waited for.
const CLOCK: &str = "#!/bin/dash\nread -r now </now\nnow=$((now + 1000))\necho $now >/now\necho $now\n";

/// The root directory.
pub(super) struct Sandbox {
    root: tempfile::TempDir,
}

impl Sandbox {
    /// Makes it; `None` where this machine lets nobody have a root directory of his own.
    pub(super) fn new() -> Option<Self> {
        let sandbox = Self { root: tempfile::tempdir().expect("a temporary directory") };
        let root = sandbox.root.path();
        for folder in
            ["bin", "dev", "etc", "root", "run", "sbin", "tmp", "usr", "usr/local", "var", "home/bob"]
        {
            fs::create_dir_all(root.join(folder)).expect("a directory");
        }
        symlink("../bin", root.join("usr/bin")).expect("a link");
        symlink("../bin", root.join("usr/sbin")).expect("a link");
        for program in ["/bin/dash", "/bin/busybox"] {
            fs::copy(program, root.join(&program[1..])).ok()?;
            for library in libraries(program) {
                let target = root.join(library.strip_prefix("/").expect("absolute"));
                fs::create_dir_all(target.parent().expect("a parent")).expect("a directory");
                fs::copy(&library, target).ok()?;
            }
        }
        symlink("dash", root.join("bin/sh")).expect("a link");
        for name in REAL {
            symlink("busybox", root.join("bin").join(name)).expect("a link");
        }
        for (name, text) in NOTED.iter().map(|name| (*name, NOTES)).chain([("date", CLOCK)]) {
            let path = root.join("bin").join(name);
            fs::write(&path, text).expect("a file");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
        }
        let texts = [
            ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n"),
            ("etc/group", "root:x:0:\nbob:x:1000:\n"),
            ("etc/hosts", "127.0.0.1 localhost\n"),
            ("etc/os-release", "ID=debian\nVERSION_ID=12\n"),
            ("now", "0\n"),
            ("dev/null", ""),
            // What an unquoted `*` becomes.
            ("globbed", ""),
        ];
        for (path, text) in texts {
            fs::write(root.join(path), text).expect("a file");
        }
        (sandbox.run("[ -e /globbed ] && [ -c /dev/null ]").0 == Some(0)).then_some(sandbox)
    }

    /// Returns the path of something in it, as this machine sees it.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// Runs a script in it; returns its status and what it printed.
    pub(super) fn run(&self, script: &str) -> (Option<i32>, Vec<u8>) {
        fs::write(self.path("script"), script).expect("a file");
        // A root directory needs its /dev/null, or no redirection to it works and nothing runs.
        const ENTER: &str = "mount --bind /dev/null \"$1/dev/null\" && exec chroot \"$1\" /bin/dash /script";
        let output = Command::new("timeout")
            .args(["120", "unshare", "--map-root-user", "--user", "--mount", "--uts", "--net", "--ipc"])
            .args(["sh", "-c", ENTER, "sh"])
            .arg(self.root.path())
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .expect("timeout(1) is here");
        (output.status.code(), output.stdout)
    }

    /// Returns how the stand-ins were called since the last time: name and words.
    pub(super) fn calls(&self) -> BTreeSet<String> {
        let text = fs::read(self.path("log")).unwrap_or_default();
        let _ = fs::remove_file(self.path("log"));
        String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
    }
}

fn libraries(program: &str) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output().map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&output).into_owned();
    text.split_whitespace().filter(|word| word.starts_with('/')).map(|it| Path::new(it).to_owned()).collect()
}
