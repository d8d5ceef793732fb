//! Whose home a script is at.

/// `go_home` sets `HOME` to the home of who runs the script: it is started without an environment, and sudo's would
/// be the login's. Where it cannot be told it is `/`. For root it costs no process.
pub(crate) const GO_HOME: &str = r#"go_home() {
user=root
[ -O / ] || user=$(id -un)
case $user in
'' | *[!A-Za-z0-9._-]*) HOME=/ ;;
*) eval "HOME=~$user" ;;
esac
case $HOME in /*) ;; *) HOME=/ ;; esac
export HOME
}
"#;
