//! The account, Region and address of the queues and topics.

/// Account, Region and address, which names, ARNs and URLs are built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The account: twelve digits, the fifth part of every ARN.
    pub account_id: String,
    /// The Region, for example `us-east-1`.
    pub region: String,
    /// Scheme, host and port of the endpoint, for example `http://127.0.0.1:4566`. Queue URLs start
    /// with it.
    pub base_url: String,
}

impl Config {
    /// Returns the ARN of the queue `name`.
    #[must_use]
    pub fn queue_arn(&self, name: &str) -> String {
        format!("arn:aws:sqs:{}:{}:{name}", self.region, self.account_id)
    }

    /// Returns the URL of the queue `name`.
    #[must_use]
    pub fn queue_url(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.base_url.trim_end_matches('/'), self.account_id)
    }

    /// Returns the ARN of the topic `name`.
    #[must_use]
    pub fn topic_arn(&self, name: &str) -> String {
        format!("arn:aws:sns:{}:{}:{name}", self.region, self.account_id)
    }
}

/// Returns the last part of an ARN of `service` (SQS or SNS), or `None` for another text.
pub(crate) fn name_in_arn<'a>(arn: &'a str, service: &str) -> Option<&'a str> {
    let mut parts = arn.splitn(6, ':');
    let is_arn = parts.next() == Some("arn") && parts.nth(1) == Some(service);
    let name = parts.nth(2)?;
    is_arn.then_some(name).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_last_part_of_an_arn_of_the_right_service() {
        assert_eq!(name_in_arn("arn:aws:sqs:us-east-1:000000000000:work.fifo", "sqs"), Some("work.fifo"));
        assert_eq!(name_in_arn("arn:aws:sns:us-east-1:000000000000:news", "sqs"), None);
        assert_eq!(name_in_arn("work", "sqs"), None);
        assert_eq!(name_in_arn("arn:aws:sqs:us-east-1:000000000000:", "sqs"), None);
    }
}
