//! Waiting for a port, a path or an answer over HTTP.

use super::Tool;

/// `listens HOST PORT` says whether something takes connections there; without nc only of the host itself.
const LISTENS: Tool = Tool {
    name: "listens",
    needs: &[],
    text: r#"listens() {
if command -v nc >/dev/null 2>&1; then nc -z -w 5 "$1" "$2" >/dev/null 2>&1
elif [ "$1" != 127.0.0.1 ]; then echo 'there is no nc, which looks at ports of other hosts' >&2; exit 1
elif command -v ss >/dev/null 2>&1; then [ -n "$(ss -Hltn "sport = :$2")" ]
elif command -v sockstat >/dev/null 2>&1; then sockstat -46lqp "$2" | grep -q .
else netstat -ltn 2>/dev/null | grep -q "[:.]$2 "
fi
}
"#,
};

/// `http_status URL INSECURE` puts the status that an address answers with into `code`; empty = no answer.
const HTTP_STATUS: Tool = Tool {
    name: "http_status",
    needs: &[],
    text: r#"http_status() {
code=
if command -v curl >/dev/null 2>&1; then
  code=$(curl -s ${2:+"--insecure"} -o /dev/null -w '%{http_code}' --max-time 10 "$1" </dev/null) || code=
elif command -v wget >/dev/null 2>&1; then
  code=$(wget -S ${2:+"--no-check-certificate"} -O /dev/null -T 10 "$1" 2>&1 </dev/null |
    awk '/^ *HTTP\/[0-9.]+ [0-9]+/ && !seen { print $2; seen = 1 }')
elif command -v fetch >/dev/null 2>&1; then
  # It says no status, but fails with any that is no success.
  ! fetch -q ${2:+"--no-verify-peer"} -T 10 -o /dev/null "$1" </dev/null >/dev/null 2>&1 || code=200
else
  echo 'there is none of curl, wget and fetch' >&2
  exit 1
fi
}
"#,
};

/// `is_so KIND WHAT WANTED`: a `port` of the host WANTED takes connections, a `file` is `there` or `absent`, an
/// `url` answers with the status WANTED (`url-insecure`: whoever it is).
const IS_SO: Tool = Tool {
    name: "is_so",
    needs: &[&LISTENS, &HTTP_STATUS],
    text: r#"is_so() {
case $1:$3 in
port:*) listens "$3" "$2" ;;
file:there) [ -e "$2" ] || [ -h "$2" ] ;;
file:*) [ ! -e "$2" ] && [ ! -h "$2" ] ;;
url:*) http_status "$2" ''; [ "$code" = "$3" ] ;;
*) http_status "$2" insecure; [ "$code" = "$3" ] ;;
esac
}
"#,
};

/// `wait_state KIND WHAT WANTED` prints `so` or `not yet`; a host that cannot look counts as `not yet`.
pub(crate) static WAIT_STATE: Tool = Tool {
    name: "wait_state",
    needs: &[&IS_SO],
    text: r#"wait_state() {
if (is_so "$1" "$2" "$3") 2>/dev/null; then echo so; else echo 'not yet'; fi
}
"#,
};

/// `wait_for KIND WHAT WANTED SECONDS INTERVAL` looks every INTERVAL seconds until it is so, and fails after
/// SECONDS. The host's clock counts, because a look itself may take its time.
pub(crate) static WAIT_FOR: Tool = Tool {
    name: "wait_for",
    needs: &[&IS_SO],
    text: r#"wait_for() {
(
until=$(($(date +%s) + $4)) code=
while ! is_so "$1" "$2" "$3"; do
  if [ "$(date +%s)" -ge "$until" ]; then
    case $1 in
    port) printf 'nothing listens on port %s of %s after %s s\n' "$2" "$3" "$4" >&2 ;;
    file) printf '%s is still not %s after %s s\n' "$2" "$3" "$4" >&2 ;;
    *) printf '%s: expected status %s, got %s after %s s\n' "$2" "$3" "${code:-no answer}" "$4" >&2 ;;
    esac
    exit 1
  fi
  sleep "$5"
done
)
}
"#,
};
