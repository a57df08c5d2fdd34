# The machine's first boot as cloud-init reads it. Needs no provider, so it is tested as it is.

terraform {
  required_version = ">= 1.9.0"
}

variable "release_url" {
  type        = string
  description = "Where the machine fetches the release (.tar.gz of the tree)."
  validation {
    condition     = can(regex("^https://[A-Za-z0-9./_-]+$", var.release_url))
    error_message = "An https address without a query."
  }
}

variable "release_sha256" {
  type        = string
  description = "Its SHA-256."
  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.release_sha256))
    error_message = "64 hex digits."
  }
}

output "user_data" {
  description = "For the instance's user data."
  value = templatefile("${path.module}/cloud-init.yaml.tftpl", {
    install = base64encode(templatefile("${path.module}/install.sh.tftpl", {
      release_url    = var.release_url
      release_sha256 = var.release_sha256
    }))
  })
}
