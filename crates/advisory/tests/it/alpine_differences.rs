//! Where trivy 0.59.1 answers otherwise, by name, and why it is not followed there.

/// Rows that differ for one reason.
pub struct Difference {
    /// Why.
    #[expect(dead_code, reason = "for the reader of the table")]
    pub why: &'static str,
    /// `+` we alone have it, `-` trivy alone has it: host, package, installed, id, fixed.
    pub rows: &'static [&'static str],
}

impl Difference {
    /// The rows.
    pub fn rows(&self) -> impl Iterator<Item = String> {
        self.rows.iter().map(|row| (*row).to_owned())
    }
}

/// Of hosts/alpine-synthetic.
pub const SYNTHETIC: &[Difference] = &[
    Difference {
        why: "the string is `CVE-2021-35940.patch`, a slip for the CVE; trivy takes it for an id. We go by the \
              CVE, so that whoever asks for it finds it, and keep the string as an alias",
        rows: &[
            "+ alpine-3.13-14 apr 1.7.0-r0 CVE-2021-35940 1.7.0-r1",
            "+ alpine-3.13-14 apr-dev 1.7.0-r0 CVE-2021-35940 1.7.0-r1",
            "- alpine-3.13-14 apr 1.7.0-r0 CVE-2021-35940.patch 1.7.0-r1",
            "- alpine-3.13-14 apr-dev 1.7.0-r0 CVE-2021-35940.patch 1.7.0-r1",
        ],
    },
    Difference {
        why: "an entry without a CVE; trivy shows CVEs alone. Alpine says that it is fixed there, so below it \
              the package is vulnerable",
        rows: &[
            "+ alpine-3.13-14 xen 4.13.4-r3 XSA-398 4.14.5-r0",
            "+ alpine-3.13-14 xen-hypervisor 4.13.4-r3 XSA-398 4.14.5-r0",
            "+ alpine-3.16-17 busybox 1.33.1-r8 ALPINE-13661 1.35.0-r7",
        ],
    },
];

/// Of the real image v3.14-hizlbuzz.
pub const HIZLBUZZ: &[Difference] = &[Difference {
    why: "an entry without a CVE, as above",
    rows: &[
        "+ hizlbuzz busybox 1.33.1-r3 ALPINE-13661 1.33.1-r7",
        "+ hizlbuzz ssl_client 1.33.1-r3 ALPINE-13661 1.33.1-r7",
    ],
}];
