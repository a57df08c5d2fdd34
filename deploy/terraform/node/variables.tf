variable "region" {
  type        = string
  description = "Region, such as eu-central-1. Choose one near the brokers: every vote waits for them."
}

variable "name" {
  type        = string
  description = "The node's name; resources are called after it."
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "Small letters, digits and hyphens, at most 31."
  }
}

variable "vpc_cidr" {
  type        = string
  description = "Addresses of the machine's own network."
  default     = "10.42.0.0/24"
}

variable "instance_type" {
  type        = string
  description = "2 vCPU and 8 GB."
  default     = "ecs.g7.large"
}

variable "data_disk_gb" {
  type        = number
  description = "Size of the disk with key, log and blocks, GB. About 300 bytes a transaction and copy."
  default     = 100
  validation {
    condition     = var.data_disk_gb >= 40
    error_message = "At least 40 GB."
  }
}

variable "ssh_public_key" {
  type        = string
  description = "The operator's public key; there is no password."
}

variable "operator_cidrs" {
  type        = list(string)
  description = "From where the operator may come by SSH."
  validation {
    condition     = !contains(var.operator_cidrs, "0.0.0.0/0")
    error_message = "Not from everywhere."
  }
}

variable "peer_cidrs" {
  type        = list(string)
  description = "From where other nodes and followers ask for blocks."
}

variable "release_url" {
  type        = string
  description = "Where the machine fetches the release (https, .tar.gz of the tree)."
}

variable "release_sha256" {
  type        = string
  description = "Its SHA-256, 64 hex digits; anything else is not installed."
}
