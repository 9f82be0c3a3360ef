//! Kubernetes quantities, as far as resource limits need them.

use std::fmt;

/// An amount in billionths, and whether it was written with a binary suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity {
    nano: i128,
    binary: bool,
}

const NANO: i128 = 1_000_000_000;
const BINARY: [(&str, u32); 6] = [
    ("Ei", 60),
    ("Pi", 50),
    ("Ti", 40),
    ("Gi", 30),
    ("Mi", 20),
    ("Ki", 10),
];
const DECIMAL: [(&str, i32); 10] = [
    ("E", 18),
    ("P", 15),
    ("T", 12),
    ("G", 9),
    ("M", 6),
    ("k", 3),
    ("", 0),
    ("m", -3),
    ("u", -6),
    ("n", -9),
];
const FORM: &str = "quantities must match the regular expression \
    '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

impl Quantity {
    /// Reads `100m`, `1.5Gi`, `2e3`; `Err` holds Kubernetes' reason.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let end = text
            .find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-'))
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let digits = number.trim_start_matches(['+', '-']);
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && part.is_empty()
            || part.contains(['.', '+', '-'])
            || whole.contains(['+', '-'])
        {
            return Err(FORM);
        }
        let (times, over, binary) = scale(suffix)?;
        let amount = |digits: &str| {
            if digits.is_empty() {
                Ok(0)
            } else {
                digits.parse::<i128>()
            }
        };
        let places = u32::try_from(part.len().min(9)).unwrap_or(0);
        let part = amount(&part[..part.len().min(9)]).map_err(|_| FORM)? * 10_i128.pow(9 - places);
        let whole = amount(whole).map_err(|_| FORM)?.saturating_mul(NANO);
        let nano = ((whole + part).saturating_mul(times) + over - 1).div_euclid(over);
        let nano = if number.starts_with('-') { -nano } else { nano };
        Ok(Self { nano, binary })
    }

    /// Rounded up to a whole number: what limits are compared by.
    pub fn whole(self) -> i128 {
        -(-self.nano).div_euclid(NANO)
    }

    /// Nothing was rounded.
    pub fn is_whole(self) -> bool {
        self.nano % NANO == 0
    }
}

/// What a suffix stands for: a factor, a divisor, and whether it is binary.
fn scale(suffix: &str) -> Result<(i128, i128, bool), &'static str> {
    if let Some((_, shift)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return Ok((1 << shift, 1, true));
    }
    let exponent = match DECIMAL.iter().find(|(name, _)| *name == suffix) {
        Some((_, exponent)) => *exponent,
        None => suffix
            .strip_prefix(['e', 'E'])
            .and_then(|exponent| exponent.parse().ok())
            .filter(|exponent| (-18..=18).contains(exponent))
            .ok_or("unable to parse quantity's suffix")?,
    };
    let power = 10_i128.pow(exponent.unsigned_abs());
    Ok(if exponent < 0 {
        (1, power, false)
    } else {
        (power, 1, false)
    })
}

/// The canonical form: the largest suffix that leaves a whole number.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.binary && self.nano % NANO == 0 && self.nano.abs() >= 1024 * NANO {
            let whole = self.nano / NANO;
            let largest = BINARY
                .iter()
                .find(|(_, shift)| whole % (1_i128 << shift) == 0);
            if let Some((suffix, shift)) = largest {
                return write!(f, "{}{suffix}", whole >> shift);
            }
            return write!(f, "{whole}");
        }
        if self.nano == 0 {
            return write!(f, "0");
        }
        let fits = |exponent: i32| {
            let unit = 10_i128.pow(u32::try_from(exponent + 9).unwrap_or(0));
            (self.nano % unit == 0).then_some(self.nano / unit)
        };
        let form = DECIMAL
            .iter()
            .find_map(|(suffix, exponent)| Some((suffix, fits(*exponent)?)));
        let (suffix, number) = form.unwrap_or((&"n", self.nano));
        write!(f, "{number}{suffix}")
    }
}

#[cfg(test)]
mod tests {
    use super::Quantity;

    fn canonical(text: &str) -> String {
        Quantity::parse(text).map_or_else(str::to_owned, |quantity| quantity.to_string())
    }

    #[test]
    fn quantities_print_in_canonical_form() {
        for (written, printed) in [
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("0.5Gi", "512Mi"),
            ("2Gi", "2Gi"),
            ("1024", "1024"),
            ("2000", "2k"),
            ("1e3", "1k"),
            ("0", "0"),
            ("3", "3"),
        ] {
            assert_eq!(canonical(written), printed, "{written}");
        }
    }

    #[test]
    fn values_are_rounded_up() {
        assert_eq!(Quantity::parse("1200m").map(Quantity::whole), Ok(2));
        assert_eq!(Quantity::parse("500Mi").map(Quantity::whole), Ok(500 << 20));
        assert!(Quantity::parse("lots").is_err());
        assert!(Quantity::parse("1Xi").is_err());
    }
}
