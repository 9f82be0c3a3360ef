//! Decoded JSON as Go's `%v` prints it.

use serde_json::Value;

/// `map[a:1 b:[x y]]`, with `<nil>` for null.
pub fn value(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), float),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(self::value).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            let entries = entries
                .into_iter()
                .map(|(key, item)| format!("{key}:{}", self::value(item)));
            format!("map[{}]", entries.collect::<Vec<_>>().join(" "))
        }
    }
}

/// The shortest form; with an exponent from 1e21 on and below 1e-4.
fn float(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e21).contains(&size) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    number.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::value;

    #[test]
    fn numbers_are_those_of_go() {
        assert_eq!(
            value(&json!([1, 0.5, 1e21, 1e-5, -2])),
            "[1 0.5 1e+21 1e-05 -2]"
        );
    }
}
