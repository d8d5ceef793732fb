//! Operations whose programs are not here, with programs that do as little as the operation needs and keep
//! their state in files. They show that what is planned comes true once and is then left alone; whether
//! the real programs understand the words is what the fixtures' texts are for.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::apply_twice::text;
use super::team::{Team, apply, shells};

/// Applies a deploy with these programs first in the path (`ROOT` in everything is a temporary directory), and
/// checks that a second run has nothing to do.
fn check(programs: &[(&str, &str)], deploy: &str, expected: impl Fn(&Path)) {
    for shell in shells() {
        let host = tempfile::tempdir().expect("a temporary directory");
        let root = host.path().to_str().expect("UTF-8");
        let folder = host.path().join("bin");
        fs::create_dir(&folder).expect("a directory");
        for (name, script) in programs {
            let script = format!("#!/bin/sh\n{}", script.replace("ROOT", root));
            fs::write(folder.join(name), script).expect("a file");
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).expect("a mode");
        }
        // Facts are asked with a path of their own.
        let code = format!(
            "sed 's|^PATH=|PATH={bin}:|' \"$0\" >\"$0.faked\" && PATH={bin}:$PATH && export PATH && exec {} \"$0.faked\"",
            shell.join(" "),
            bin = folder.display()
        );
        let shell = ["sh", "-c", code.as_str()];
        let team = Team::new(&deploy.replace("ROOT", root));
        for step in team.steps(&shell).iter().filter(|step| step.is_sent()) {
            apply(&shell, step);
        }
        expected(host.path());
        let left: Vec<_> = team.steps(&shell).into_iter().filter(model::Step::is_sent).collect();
        assert_eq!(left, [], "{shell:?}");
    }
}

/// Datasets are files; a property is a line.
const ZFS: &str = r#"verb=$1
shift
name=
for word do name=$word; done
file=ROOT/$(printf '%s' "$name" | tr '/@' '__')
case $verb in
list) [ -e "$file" ] ;;
get) sed -n "s/^$4=//p" "$file" | tail -n 1 ;;
create | snapshot)
  echo "$verb" >"$file"
  while [ $# -gt 1 ]; do
    case $1 in -o) echo "$2" >>"$file"; shift ;; -V) echo "size $2" >>"$file"; shift ;; *) echo "$1" >>"$file" ;; esac
    shift
  done ;;
set) while [ $# -gt 1 ]; do echo "$1" >>"$file"; shift; done ;;
destroy) rm "$file" ;;
esac
"#;

#[test]
fn datasets() {
    let deploy = r#"zfs.dataset("tank/srv", compression = "lz4", properties = {"com.sun:auto_snapshot": "true"})
zfs.volume("tank/vm", "32G", sparse = True, recursive = True)
zfs.snapshot("tank/srv@one", recursive = True)
zfs.filesystem("tank/gone", present = False)
zfs.filesystem("tank/srv", compression = "zstd", when = False)"#;
    check(&[("zfs", ZFS)], deploy, |root| {
        assert_eq!(text(&root.join("tank_srv")), "create\ncom.sun:auto_snapshot=true\ncompression=lz4\n");
        assert_eq!(text(&root.join("tank_vm")), "create\n-p\n-s\nsize 32G\n");
        assert_eq!(text(&root.join("tank_srv_one")), "snapshot\n-r\n");
    });
}

#[test]
fn everything_is_upgraded() {
    let apt = r#"for word do
  case $word in
  -s) simulate=1 ;;
  dist-upgrade) [ -e ROOT/done ] || { [ -n "$simulate" ] && echo 'Inst nginx [1.0] (1.1 stable)' && exit 0; : >ROOT/done; } ;;
  esac
done
"#;
    let apk = r#"[ "$1" = upgrade ] || exit 9
if [ "$2" = --simulate ]; then [ -e ROOT/apk ] || echo '(1/1) Upgrading musl (1.2.4 -> 1.2.5)'; echo 'OK: 12 MiB'
else : >ROOT/apk
fi
"#;
    let lbu = r#"case $1 in
status) [ -e ROOT/lbu ] || echo 'U etc/hosts' ;;
commit) : >ROOT/lbu ;;
esac
"#;
    let deploy = "apt.dist_upgrade(auto_remove = True)\napk.upgrade(available = True)\nlbu.commit()";
    let programs = [("apt-get", apt), ("apk", apk), ("lbu", lbu)];
    check(&programs, deploy, |root| {
        for name in ["done", "apk", "lbu"] {
            assert!(root.join(name).exists(), "{name}");
        }
    });
}

#[test]
fn pf_rules_are_loaded_before_they_stay() {
    let pfctl = r#"case $1 in
-nf) grep -q pass "$2" ;;
-f) cat "$2" >ROOT/loaded ;;
esac
"#;
    check(&[("pfctl", pfctl)], r#"pf.file(dest = "ROOT/pf.conf", content = "pass in\n")"#, |root| {
        assert_eq!(text(&root.join("loaded")), "pass in\n");
        assert_eq!(text(&root.join("pf.conf")), "pass in\n");
    });
}

#[test]
fn flags_and_jails() {
    let stat = "case $1 in -f) cat ROOT/flags 2>/dev/null || echo uchg ;; esac\n";
    let chflags = "printf '%s\\n' \"$1\" | tr , '\\n' | sed 's/^nouchg$//' | tr '\\n' , | sed 's/^,//; s/,$//' >ROOT/flags\n";
    let sysrc = r#"case $1 in
-n) cat "ROOT/$2" 2>/dev/null ;;
jail_list+=*) echo "${1#*=}" >ROOT/jail_list ;;
jail_enable=*) echo "${1#*=}" >ROOT/jail_enable ;;
esac
"#;
    let programs = [
        ("stat", stat),
        ("chflags", chflags),
        ("sysrc", sysrc),
        ("jls", "[ -e ROOT/runs ]\n"),
        ("service", "[ \"$1 $2 $3\" = 'jail onestart web' ] && : >ROOT/runs\n"),
    ];
    let deploy = "files.flags(\"/etc/hosts\", \"schg\")\njail.service(\"web\")";
    check(&programs, deploy, |root| {
        assert_eq!(text(&root.join("flags")).trim(), "schg");
        assert_eq!(text(&root.join("jail_list")), "web\n");
        assert!(root.join("runs").exists());
    });
}
