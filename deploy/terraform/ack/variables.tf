variable "region" {
  type        = string
  description = "Region with at least three zones."
}

variable "name" {
  type        = string
  description = "The installation's name; resources are called after it."
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "Small letters, digits and hyphens, at most 31."
  }
}

variable "zones" {
  type        = list(string)
  description = "Three zones: workers and brokers in all of them, the database in the first two."
  validation {
    condition     = length(var.zones) == 3 && length(distinct(var.zones)) == 3
    error_message = "Three different zones."
  }
}

variable "vpc_cidr" {
  type        = string
  description = "Addresses of the network; each zone gets a sixteenth for machines and one for pods."
  default     = "10.40.0.0/16"
}

variable "service_cidr" {
  type        = string
  description = "Addresses of Kubernetes services; outside of the network's."
  default     = "172.21.0.0/20"
}

variable "worker_type" {
  type        = string
  description = "Instance type of a worker."
  default     = "ecs.g7.xlarge"
}

variable "workers" {
  type        = number
  description = "How many workers; validators want a machine each."
  default     = 4
  validation {
    condition     = var.workers >= 4
    error_message = "Four validators on machines of their own want four workers."
  }
}

variable "database_type" {
  type        = string
  description = "Class of the PostgreSQL instance, with a standby."
  default     = "pg.x2.medium.2c"
}

variable "database_gb" {
  type        = number
  description = "Its disk, GB."
  default     = 100
}

variable "database_password" {
  type        = string
  description = "Password of the account `sps`; it will stand in the state."
  sensitive   = true
}

variable "kafka_partitions" {
  type        = number
  description = "Partitions that are bought; one of local storage counts more than once."
  default     = 200
}
