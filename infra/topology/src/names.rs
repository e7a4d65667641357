//! The allowed characters and lengths of names, by the kind of the item.

/// The allowed characters and the allowed length of one kind of names.
pub(crate) struct Alphabet {
    pub(crate) kind: &'static str,
    pub(crate) allowed: fn(char) -> bool,
    pub(crate) first: fn(char) -> bool,
    pub(crate) describe: &'static str,
    pub(crate) least: usize,
    pub(crate) most: usize,
}

/// Name of a stack. It is the prefix of every deployed name, so it is short and in lower case.
pub(crate) const STACK: Alphabet = Alphabet {
    kind: "a stack",
    allowed: |letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-',
    first: |letter| letter.is_ascii_lowercase(),
    describe: "lower-case letters, digits and hyphens, a letter first",
    least: 1,
    most: 32,
};

/// Name of a parameter, which is also a Terraform variable.
pub(crate) const PARAMETER: Alphabet = Alphabet {
    kind: "a parameter",
    allowed: |letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_',
    first: |letter| letter.is_ascii_lowercase(),
    describe: "lower-case letters, digits and underscores, a letter first",
    least: 1,
    most: 64,
};

/// Source: <https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html>. The length
/// excludes the stack's prefix.
pub(crate) const FUNCTION: Alphabet = Alphabet {
    kind: "a function",
    allowed: word,
    first: word,
    describe: "letters, digits, hyphens and underscores",
    least: 1,
    most: 31,
};

/// Source:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html>: 80
/// characters, from which `.fifo` and the stack's prefix are subtracted.
pub(crate) const QUEUE: Alphabet = Alphabet {
    kind: "a queue",
    allowed: word,
    first: word,
    describe: "letters, digits, hyphens and underscores",
    least: 1,
    most: 42,
};

/// The same as for queues. AWS allows 256 characters:
/// <https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html>
pub(crate) const TOPIC: Alphabet = Alphabet { kind: "a topic", ..QUEUE };

/// The names that DynamoDB allows for tables. Source:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>
pub(crate) const TABLE: Alphabet = Alphabet {
    kind: "a table",
    allowed: |letter| word(letter) || letter == '.',
    first: |letter| word(letter) || letter == '.',
    describe: "letters, digits, hyphens, underscores and dots",
    least: 3,
    most: 222,
};

/// The same characters as for tables.
pub(crate) const INDEX: Alphabet = Alphabet { kind: "an index", most: 255, ..TABLE };

/// The names that Lambda allows for environment variables. Source:
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>
pub(crate) const VARIABLE: Alphabet = Alphabet {
    kind: "an environment variable",
    allowed: |letter| letter.is_ascii_alphanumeric() || letter == '_',
    first: |letter| letter.is_ascii_alphabetic(),
    describe: "letters, digits and underscores, a letter first",
    least: 2,
    most: 128,
};

fn word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '-' || letter == '_'
}
