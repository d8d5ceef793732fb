#!/bin/sh
# EMULATED pkg(8): `pkg -N` and `pkg query [-a] FORMAT [NAME...]` over a recorded list with the columns
# name, version, origin, ABI, repository. Knows %n %v %o %q %R and the escapes of pkg-query(8).
list=/var/db/pkg/fleet.tsv
case ${1-} in
-N)
    count=$(awk 'END { print NR }' "$list")
    [ "$count" -gt 0 ] || { echo "pkg: no packages registered" >&2; exit 1; }
    echo "pkg: $count packages installed." >&2
    ;;
query)
    shift
    [ "${1-}" != -a ] || shift
    [ $# -gt 0 ] || { echo "usage: pkg query <query-format> [pkg-name]" >&2; exit 64; }
    FORMAT=$1
    shift
    export FORMAT
    awk -F '\t' '
    BEGIN {
        format = ENVIRON["FORMAT"]
        escape["n"] = "\n"; escape["t"] = "\t"; escape["r"] = "\r"; escape["f"] = "\f"; escape["v"] = "\v"
        for (i = 1; i < ARGC; i++) { wanted[ARGV[i]] = 1; count++ }
        while ((getline line <"/var/db/pkg/fleet.tsv") > 0) {
            split(line, field, "\t")
            if (count && !(field[1] in wanted)) continue
            value["n"] = field[1]; value["v"] = field[2]; value["o"] = field[3]
            value["q"] = field[4]; value["R"] = field[5]
            shown++
            print expand(format)
        }
        exit shown ? 0 : 1
    }
    function expand(format,    out, i, c) {
        for (i = 1; i <= length(format); i++) {
            c = substr(format, i, 1)
            if (c == "%") {
                c = substr(format, ++i, 1)
                if (!(c in value)) {
                    print "pkg: (emulated) unknown query format key: %" c >"/dev/stderr"
                    exit 64
                }
                out = out value[c]
            } else if (c == "\\") {
                c = substr(format, ++i, 1)
                out = out (c in escape ? escape[c] : c)
            } else out = out c
        }
        return out
    }' "$@"
    ;;
*)
    echo "pkg: (emulated) only \`pkg -N\` and \`pkg query\` are known here" >&2
    exit 64
    ;;
esac
