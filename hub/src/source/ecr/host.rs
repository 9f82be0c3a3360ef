//! The names of ECR's registries. Pure.

/// What follows the region, and whether it is reached over IPv6 too. One for each partition of AWS
/// (`partitions.json` of its SDKs).
const SUFFIXES: [(&str, bool); 9] = [
    ("amazonaws.com", false),
    ("amazonaws.com.cn", false),
    ("amazonaws.eu", false),
    ("c2s.ic.gov", false),
    ("sc2s.sgov.gov", false),
    ("cloud.adc-e.uk", false),
    ("csp.hci.ic.gov", false),
    ("on.aws", true),
    ("on.amazonwebservices.com.cn", true),
];

/// A private registry of ECR:
/// `<account>.dkr.ecr[-fips].<region>.amazonaws.com` or `<account>.dkr-ecr[-fips].<region>.on.aws`
/// and their likes in other partitions
/// (<https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-ipv6-access.html>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EcrHost {
    /// Twelve digits.
    pub(super) account: String,
    /// As in `eu-west-1`.
    pub(super) region: String,
    /// Its cryptography is validated by FIPS 140.
    pub(super) fips: bool,
    /// It is reached over IPv6 too.
    pub(super) dual_stack: bool,
}

impl EcrHost {
    /// The registry that `authority` (`host[:port]` in lower case) is, if it is one.
    pub(crate) fn parse(authority: &str) -> Option<Self> {
        let host = authority
            .split_once(':')
            .map_or(authority, |(host, _)| host);
        let (account, rest) = host.split_once('.')?;
        let (service, dual_stack) = match rest.strip_prefix("dkr.") {
            Some(rest) => (rest, false),
            None => (rest.strip_prefix("dkr-")?, true),
        };
        let (service, rest) = service.split_once('.')?;
        let fips = match service {
            "ecr" => false,
            "ecr-fips" => true,
            _ => return None,
        };
        let (region, suffix) = rest.split_once('.')?;
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let is_region = !region.is_empty()
            && region
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let known = SUFFIXES.contains(&(suffix, dual_stack));
        (is_account && is_region && known).then(|| Self {
            account: account.to_owned(),
            region: region.to_owned(),
            fips,
            dual_stack,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ecr_hosts_tell_account_and_region() {
        for (host, region, fips, dual_stack) in [
            ("dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1", false, false),
            (
                "dkr.ecr-fips.us-east-1.amazonaws.com",
                "us-east-1",
                true,
                false,
            ),
            (
                "dkr.ecr-fips.us-gov-west-1.amazonaws.com",
                "us-gov-west-1",
                true,
                false,
            ),
            (
                "dkr.ecr.cn-north-1.amazonaws.com.cn",
                "cn-north-1",
                false,
                false,
            ),
            (
                "dkr.ecr.eusc-de-east-1.amazonaws.eu",
                "eusc-de-east-1",
                false,
                false,
            ),
            (
                "dkr.ecr.us-iso-east-1.c2s.ic.gov",
                "us-iso-east-1",
                false,
                false,
            ),
            (
                "dkr.ecr.us-isob-east-1.sc2s.sgov.gov",
                "us-isob-east-1",
                false,
                false,
            ),
            (
                "dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk",
                "eu-isoe-west-1",
                false,
                false,
            ),
            (
                "dkr.ecr.us-isof-south-1.csp.hci.ic.gov",
                "us-isof-south-1",
                false,
                false,
            ),
            ("dkr-ecr.eu-west-1.on.aws", "eu-west-1", false, true),
            ("dkr-ecr-fips.us-west-2.on.aws", "us-west-2", true, true),
            (
                "dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
                "cn-north-1",
                false,
                true,
            ),
        ] {
            let expected = EcrHost {
                account: "123456789012".to_owned(),
                region: region.to_owned(),
                fips,
                dual_stack,
            };
            let host = format!("123456789012.{host}");
            assert_eq!(EcrHost::parse(&host).as_ref(), Some(&expected), "{host}");
            assert_eq!(EcrHost::parse(&format!("{host}:443")), Some(expected));
        }
    }

    #[test]
    fn other_hosts_are_no_ecr() {
        for host in [
            "ghcr.io",
            "public.ecr.aws",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example",
            "123456789012.dkr.ecr.eu-west-1.evil.example",
            "123456789012.dkr.ecr.eu.west.amazonaws.com",
            "123456789012.dkr.ecr..amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1.on.aws",
            "123456789012.dkr-ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr.ecs.eu-west-1.amazonaws.com",
            "12345678901.dkr.ecr.eu-west-1.amazonaws.com",
            "x23456789012.dkr.ecr.eu-west-1.amazonaws.com",
        ] {
            assert_eq!(EcrHost::parse(host), None, "{host}");
        }
    }
}
