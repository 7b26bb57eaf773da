//! Issuers' URLs that must not be gone to, and some that must.

use crate::{Endpoint, IssuerUrl, Network};
use std::collections::BTreeSet;

const HOSTILE: [(&str, &str); 96] = [
    ("nothing", ""),
    ("no scheme", "issuer.example.com"),
    ("plain HTTP", "http://issuer.example.com"),
    ("another scheme", "file:///etc/passwd"),
    ("another protocol", "gopher://issuer.example.com"),
    ("a scheme in capitals", "HTTPS://issuer.example.com"),
    ("one slash", "https:/issuer.example.com"),
    ("no slashes", "https:issuer.example.com"),
    ("three slashes", "https:///issuer.example.com"),
    ("no host", "https://"),
    ("no host but a path", "https:///path"),
    ("loopback", "https://127.0.0.1"),
    (
        "loopback with a port",
        "https://127.0.0.1:9001/2018-06-01/runtime",
    ),
    ("loopback, short", "https://127.1"),
    ("loopback, shorter", "https://0"),
    ("loopback, octal", "https://0177.0.0.1"),
    ("loopback, long octal", "https://00000177.0.0.1"),
    ("loopback, hexadecimal", "https://0x7f.0.0.1"),
    ("loopback, one hexadecimal number", "https://0x7f000001"),
    ("loopback, one decimal number", "https://2130706433"),
    ("loopback, the last part hexadecimal", "https://127.0.0.0x1"),
    ("loopback with a dot after it", "https://127.0.0.1."),
    ("loopback, escaped", "https://%31%32%37.0.0.1"),
    ("loopback, in wide digits", "https://１２７.０.０.１"),
    ("loopback, with wide dots", "https://127。0。0。1"),
    ("loopback of IPv6", "https://[::1]"),
    ("loopback of IPv6, long", "https://[0:0:0:0:0:0:0:1]"),
    ("loopback, mapped", "https://[::ffff:127.0.0.1]"),
    (
        "loopback, mapped and hexadecimal",
        "https://[::ffff:7f00:1]",
    ),
    ("link-local of IPv6 with a zone", "https://[fe80::1%25eth0]"),
    ("an address of IPv6 without brackets", "https://::1"),
    ("metadata", "https://169.254.169.254/latest/meta-data"),
    ("metadata, one number", "https://2852039166"),
    ("metadata of containers", "https://169.254.170.2"),
    ("metadata of IPv6", "https://[fd00:ec2::254]"),
    ("metadata by name", "https://metadata.google.internal"),
    ("metadata by short name", "https://metadata.goog"),
    ("metadata by one label", "https://metadata"),
    ("a private address", "https://10.0.0.1"),
    ("another private address", "https://192.168.0.1"),
    ("a public address", "https://8.8.8.8"),
    ("all addresses", "https://0.0.0.0"),
    ("this machine", "https://localhost"),
    ("this machine in capitals", "https://LOCALHOST"),
    ("this machine with a dot", "https://localhost."),
    ("below this machine", "https://issuer.localhost"),
    ("this machine's domain", "https://localhost.localdomain"),
    ("a local name", "https://printer.local"),
    ("an internal name", "https://vault.internal"),
    ("a cluster's service", "https://kubernetes.default.svc"),
    (
        "a cluster's service in full",
        "https://kubernetes.default.svc.cluster.local",
    ),
    ("a name of a home", "https://router.lan"),
    ("a name of a company", "https://wiki.corp"),
    (
        "an address read backwards",
        "https://1.0.0.127.in-addr.arpa",
    ),
    ("a hidden service", "https://abcdef.onion"),
    ("one label", "https://issuer"),
    ("a dot after the name", "https://issuer.example.com."),
    ("a dot before the name", "https://.example.com"),
    ("two dots in the name", "https://issuer..example.com"),
    ("capitals in the name", "https://Issuer.example.com"),
    ("an underscore in the name", "https://issuer_1.example.com"),
    ("a hyphen before a label", "https://-issuer.example.com"),
    ("a hyphen after a label", "https://issuer-.example.com"),
    ("a star in the name", "https://*.example.com"),
    ("a name in Cyrillic", "https://іssuer.example.com"),
    ("a name with an umlaut", "https://müller.example.com"),
    (
        "a name with a soft hyphen",
        "https://iss\u{ad}uer.example.com",
    ),
    (
        "a name with letters of no width",
        "https://issuer\u{200b}.example.com",
    ),
    ("a last label of digits", "https://issuer.example.123"),
    ("a last label with a digit", "https://issuer.example.c0m"),
    ("a user", "https://user@issuer.example.com"),
    (
        "a user with a password",
        "https://user:password@issuer.example.com",
    ),
    (
        "a host as a user",
        "https://accounts.google.com@evil.example.com",
    ),
    ("a user that is empty", "https://@issuer.example.com"),
    (
        "a user in the path",
        "https://issuer.example.com/@evil.example.com",
    ),
    ("another port", "https://issuer.example.com:8443"),
    ("the port of plain HTTP", "https://issuer.example.com:80"),
    ("an empty port", "https://issuer.example.com:"),
    (
        "a port with a zero before it",
        "https://issuer.example.com:0443",
    ),
    ("a port twice", "https://issuer.example.com:443:443"),
    ("a port that is a word", "https://issuer.example.com:https"),
    ("a query", "https://issuer.example.com/?a=b"),
    (
        "a query right after the name",
        "https://issuer.example.com?x",
    ),
    ("a fragment", "https://issuer.example.com/#x"),
    (
        "a host after a fragment",
        "https://evil.example.com#.issuer.example.com",
    ),
    (
        "a host after a backslash",
        "https://evil.example.com\\.issuer.example.com",
    ),
    ("a step up", "https://issuer.example.com/a/../b"),
    ("a step up at the end", "https://issuer.example.com/.."),
    ("a step up, escaped", "https://issuer.example.com/%2e%2e/b"),
    ("a slash, escaped", "https://issuer.example.com/a%2fb"),
    ("a step to itself", "https://issuer.example.com/./a"),
    (
        "two slashes in the path",
        "https://issuer.example.com//evil.example.com",
    ),
    (
        "a line in the path",
        "https://issuer.example.com/a\r\nHost: evil.example.com",
    ),
    ("a space before it", " https://issuer.example.com"),
    ("a line after it", "https://issuer.example.com\n"),
    (
        "a zero byte in the name",
        "https://issuer.example.com\u{0}.evil.example.com",
    ),
];

#[test]
fn no_hostile_url_is_an_issuer_or_an_endpoint() {
    let names: BTreeSet<&str> = HOSTILE.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), HOSTILE.len(), "names are unique");
    let public = Network::public();
    let local = Network::local("http://127.0.0.1:9000").unwrap();
    for (name, url) in HOSTILE {
        assert!(IssuerUrl::parse(url).is_err(), "{name}");
        assert!(Endpoint::parse(url).is_err(), "{name}");
        assert!(public.issuer(url).is_err(), "{name}");
        assert!(local.issuer(url).is_err(), "{name}, on a person's machine");
        assert!(
            local.endpoint(url).is_err(),
            "{name}, on a person's machine"
        );
    }
    let long_path = format!("https://issuer.example.com/{}", "a".repeat(255));
    let long_label = format!("https://{}.example.com", "a".repeat(64));
    assert!(IssuerUrl::parse(&long_path).is_err());
    assert!(IssuerUrl::parse(&long_label).is_err());
}

#[test]
fn the_issuers_that_workloads_have_are_taken_as_they_are() {
    for url in [
        "https://accounts.google.com",
        "https://token.actions.githubusercontent.com",
        "https://gitlab.com",
        "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0",
        "https://sts.windows.net/72f988bf-86f1-41af-91ab-2d7cd011db47/",
        "https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE",
        "https://b6cf1a5d.tokens.sts.global.api.aws",
        "https://container.googleapis.com/v1/projects/p/locations/l/clusters/c",
        "https://issuer.example.com:443/path",
        "https://xn--bcher-kva.example",
        "https://issuer.xn--p1ai",
    ] {
        let issuer = IssuerUrl::parse(url).unwrap();
        assert_eq!(issuer.as_str(), url);
        assert_eq!(issuer.to_string(), url);
    }
}

#[test]
fn a_slash_at_the_end_of_an_issuer_is_not_doubled() {
    let at = |url: &str| IssuerUrl::parse(url).unwrap().discovery().path;
    assert_eq!(
        at("https://a.example.com"),
        "/.well-known/openid-configuration"
    );
    assert_eq!(
        at("https://a.example.com/"),
        "/.well-known/openid-configuration"
    );
    assert_eq!(
        at("https://a.example.com/t"),
        "/t/.well-known/openid-configuration"
    );
    assert_eq!(
        at("https://a.example.com/t/"),
        "/t/.well-known/openid-configuration"
    );
}

#[test]
fn a_persons_machine_has_the_one_issuer_it_was_given() {
    let network = Network::local("http://127.0.0.1:9000").unwrap();
    for taken in [
        "http://127.0.0.1:9000",
        "http://127.0.0.1:9000/google",
        "https://accounts.google.com",
    ] {
        assert!(network.issuer(taken).is_ok(), "{taken}");
        assert!(network.endpoint(taken).is_ok(), "{taken}");
    }
    for refused in [
        "http://127.0.0.1:9001",
        "http://127.0.0.1:90000",
        "http://127.0.0.1:09000",
        "http://127.0.0.1:9000@evil.example.com",
        "http://127.0.0.1:9000.evil.example.com",
        "http://127.0.0.1:9000/../x",
        "http://127.0.0.1:9000/?x",
        "http://127.0.0.1",
        "http://127.0.0.2:9000",
        "http://localhost:9000",
        "https://127.0.0.1:9000",
    ] {
        assert!(network.issuer(refused).is_err(), "{refused}");
        assert!(Network::public().issuer(refused).is_err(), "{refused}");
    }
    for origin in [
        "http://127.0.0.1:9000/",
        "http://127.0.0.1:0",
        "http://10.0.0.1:9000",
        "https://issuer.example.com",
    ] {
        assert!(Network::local(origin).is_err(), "{origin}");
    }
}
