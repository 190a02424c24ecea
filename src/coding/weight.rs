//! Lists of what a peer takes, with how much it likes each (RFC 9110 §12.4.2): `Accept-Encoding` and
//! those like it, and `Accept`.

/// The items of a list, each with its weight in thousandths; 0 means never.
///
/// ```
/// # use transom::coding::weighed;
/// let items: Vec<_> = weighed("br, gzip;level=9;q=0.5, *;q=0, x;q=nonsense").collect();
/// assert_eq!(items, [("br", 1000), ("gzip", 500), ("*", 0), ("x", 0)]);
/// ```
pub fn weighed(list: &str) -> impl Iterator<Item = (&str, u32)> {
    list.split(',').map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let weight = parts
            .find_map(|parameter| parameter.strip_prefix("q=").or(parameter.strip_prefix("Q=")))
            .map_or(1.0, |weight| weight.parse::<f32>().unwrap_or(0.0));
        (name, (weight.clamp(0.0, 1.0) * 1000.0) as u32)
    })
}
