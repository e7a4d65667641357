# Reads the topology and fills in every default. Everything else in this deployment is made from the output.
#
# `cargo xtask topology --json` prints the same file as the local runner understands it; a test compares the two.

locals {
  file = yamldecode(file(var.file))

  topology = {
    name = local.file.name

    parameters = {
      for name, parameter in try(local.file.parameters, {}) : name => {
        description = parameter.description
        default     = try(tostring(parameter.default), null)
      }
    }

    secrets = {
      for name, secret in try(local.file.secrets, {}) : name => {
        description = secret.description
        default     = try(tostring(secret.default), null)
      }
    }

    websocket = try({ route_selection_expression = local.file.websocket.route_selection_expression }, null)

    http = can(local.file.http) ? { optional = try(local.file.http.optional, false) } : null

    functions = {
      for name, function in local.file.functions : name => {
        description          = try(function.description, null)
        binary               = function.binary
        memory_mb            = function.memory_mb
        timeout_s            = function.timeout_s
        reserved_concurrency = try(function.reserved_concurrency, null)

        # A value is a scalar or a reference: a mapping of one entry.
        environment = {
          for variable, value in try(function.environment, {}) :
          variable => try({ text = tostring(value) }, value)
        }

        triggers = {
          websocket = [
            for trigger in try(function.triggers, []) : {
              routes   = trigger.websocket.routes
              response = try(trigger.websocket.response, false)
              throttle = try({ rate = trigger.websocket.throttle.rate, burst = trigger.websocket.throttle.burst }, null)
            } if can(trigger.websocket)
          ]
          http = [
            for trigger in try(function.triggers, []) : { routes = trigger.http.routes } if can(trigger.http)
          ]
          authorizer = [
            for trigger in try(function.triggers, []) : {
              identity_sources = try(trigger.authorizer.identity_sources, [])
            } if can(trigger.authorizer)
          ]
          queue = [
            for trigger in try(function.triggers, []) : {
              queue                      = trigger.queue.queue
              batch_size                 = try(trigger.queue.batch_size, 10)
              batch_window_s             = try(trigger.queue.batch_window_s, 0)
              maximum_concurrency        = try(trigger.queue.maximum_concurrency, null)
              report_batch_item_failures = try(trigger.queue.report_batch_item_failures, false)
              filters                    = try(trigger.queue.filters, [])
            } if can(trigger.queue)
          ]
          stream = [
            for trigger in try(function.triggers, []) : {
              table                          = trigger.stream.table
              batch_size                     = try(trigger.stream.batch_size, 100)
              batch_window_s                 = try(trigger.stream.batch_window_s, 0)
              parallelization_factor         = try(trigger.stream.parallelization_factor, 1)
              starting_position              = try(trigger.stream.starting_position, "trim_horizon")
              filters                        = try(trigger.stream.filters, [])
              maximum_retry_attempts         = try(trigger.stream.maximum_retry_attempts, null)
              maximum_record_age_s           = try(trigger.stream.maximum_record_age_s, null)
              bisect_batch_on_function_error = try(trigger.stream.bisect_batch_on_function_error, false)
              report_batch_item_failures     = try(trigger.stream.report_batch_item_failures, false)
              on_failure                     = try({ queue = trigger.stream.on_failure.queue }, null)
            } if can(trigger.stream)
          ]
          schedule = [
            for trigger in try(function.triggers, []) : { rate = trigger.schedule.rate } if can(trigger.schedule)
          ]
        }

        grants = {
          table = [
            for grant in try(function.grants, []) : {
              table   = grant.table
              actions = sort(grant.actions)
              indexes = try(grant.indexes, [])
            } if can(grant.table)
          ]
          queue = [
            for grant in try(function.grants, []) : {
              queue   = grant.queue
              actions = sort(grant.actions)
            } if can(grant.queue)
          ]
          topic = [
            for grant in try(function.grants, []) : {
              topic   = grant.topic
              actions = sort(grant.actions)
            } if can(grant.topic)
          ]
          secret = [
            for grant in try(function.grants, []) : {
              secret  = grant.secret
              actions = sort(grant.actions)
            } if can(grant.secret)
          ]
          websocket = [
            for grant in try(function.grants, []) : { actions = sort(grant.actions) } if can(grant.websocket)
          ]
        }
      }
    }

    queues = {
      for name, queue in try(local.file.queues, {}) : name => {
        fifo                        = try(queue.fifo, false)
        high_throughput             = try(queue.high_throughput, false)
        content_based_deduplication = try(queue.content_based_deduplication, false)
        visibility_timeout_s        = try(queue.visibility_timeout_s, 30)
        retention_s                 = try(queue.retention_s, 345600)
        delay_s                     = try(queue.delay_s, 0)
        dead_letter = try({
          queue                 = queue.dead_letter.queue
          maximum_receive_count = queue.dead_letter.maximum_receive_count
        }, null)
      }
    }

    topics = {
      for name, topic in try(local.file.topics, {}) : name => {
        fifo                        = try(topic.fifo, false)
        content_based_deduplication = try(topic.content_based_deduplication, false)
        subscriptions = [
          for subscription in try(topic.subscriptions, []) : {
            queue               = subscription.queue
            raw                 = try(subscription.raw, false)
            filter_policy       = try(subscription.filter_policy, null)
            filter_policy_scope = try(subscription.filter_policy_scope, "attributes")
          }
        ]
      }
    }

    tables = {
      for name, table in try(local.file.tables, {}) : name => {
        partition_key = table.partition_key
        sort_key      = try(table.sort_key, null)
        indexes = {
          for index_name, index in try(table.indexes, {}) : index_name => {
            partition_key = index.partition_key
            sort_key      = try(index.sort_key, null)
            projection = {
              type    = try(tostring(index.projection), "include")
              include = try(index.projection.include, [])
            }
          }
        }
        stream = try(table.stream, null)
        ttl    = try(table.ttl, null)
      }
    }
  }
}
