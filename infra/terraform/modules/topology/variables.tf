variable "file" {
  description = "Path of the topology."
  type        = string

  validation {
    condition     = fileexists(var.file)
    error_message = "There is no topology at this path: give the path of infra/topology.yaml."
  }
}
