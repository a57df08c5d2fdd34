# ACK Pro with Terway (NetworkPolicy works) and RRSA (a pod's own RAM role, no keys in Secrets).
resource "alicloud_cs_managed_kubernetes" "main" {
  name                         = var.name
  cluster_spec                 = "ack.pro.small"
  vswitch_ids                  = alicloud_vswitch.machines[*].id
  pod_vswitch_ids              = alicloud_vswitch.pods[*].id
  service_cidr                 = var.service_cidr
  proxy_mode                   = "ipvs"
  new_nat_gateway              = true
  slb_internet_enabled         = false
  is_enterprise_security_group = true
  enable_rrsa                  = true
  deletion_protection          = true

  dynamic "addons" {
    for_each = ["csi-plugin", "managed-csiprovisioner", "alb-ingress-controller", "ack-pod-identity-webhook", "metrics-server"]
    content {
      name = addons.value
    }
  }

  addons {
    name   = "terway-eniip"
    config = jsonencode({ NetworkPolicy = "true" })
  }

  addons {
    name     = "nginx-ingress-controller"
    disabled = true
  }
}

resource "alicloud_cs_kubernetes_node_pool" "workers" {
  cluster_id            = alicloud_cs_managed_kubernetes.main.id
  node_pool_name        = "workers"
  vswitch_ids           = alicloud_vswitch.machines[*].id
  instance_types        = [var.worker_type]
  desired_size          = var.workers
  system_disk_category  = "cloud_essd"
  system_disk_size      = 60
  system_disk_encrypted = true
  multi_az_policy       = "BALANCE"
}
