//! Strict reader of infra/topology.yaml.
