# One machine for one validator or follower. The disk with its key and log outlives the machine.

data "alicloud_zones" "node" {
  available_instance_type     = var.instance_type
  available_resource_creation = "VSwitch"
}

data "alicloud_images" "debian" {
  owners      = "system"
  name_regex  = "^debian_12_"
  most_recent = true
}

resource "alicloud_vpc" "node" {
  vpc_name   = var.name
  cidr_block = var.vpc_cidr
}

resource "alicloud_vswitch" "node" {
  vpc_id       = alicloud_vpc.node.id
  cidr_block   = var.vpc_cidr
  zone_id      = data.alicloud_zones.node.zones[0].id
  vswitch_name = var.name
}

resource "alicloud_security_group" "node" {
  security_group_name = var.name
  vpc_id              = alicloud_vpc.node.id
}

resource "alicloud_security_group_rule" "ssh" {
  for_each          = toset(var.operator_cidrs)
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "22/22"
  cidr_ip           = each.value
  security_group_id = alicloud_security_group.node.id
  description       = "operator"
}

# Blocks prove themselves, so this port has no login; what it serves is bounded.
resource "alicloud_security_group_rule" "blocks" {
  for_each          = toset(var.peer_cidrs)
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "8101/8101"
  cidr_ip           = each.value
  security_group_id = alicloud_security_group.node.id
  description       = "blocks for other nodes"
}

resource "alicloud_ecs_key_pair" "operator" {
  key_pair_name = var.name
  public_key    = var.ssh_public_key
}

resource "alicloud_ecs_disk" "data" {
  disk_name = "${var.name}-data"
  zone_id   = alicloud_vswitch.node.zone_id
  category  = "cloud_essd"
  size      = var.data_disk_gb
  encrypted = true
  lifecycle {
    prevent_destroy = true # a validator's log: what it voted is known nowhere else
  }
}

module "first_boot" {
  source         = "./first-boot"
  release_url    = var.release_url
  release_sha256 = var.release_sha256
}

resource "alicloud_instance" "node" {
  instance_name              = var.name
  host_name                  = var.name
  image_id                   = data.alicloud_images.debian.images[0].id
  instance_type              = var.instance_type
  vswitch_id                 = alicloud_vswitch.node.id
  security_groups            = [alicloud_security_group.node.id]
  key_name                   = alicloud_ecs_key_pair.operator.key_pair_name
  system_disk_category       = "cloud_essd"
  system_disk_size           = 40
  system_disk_encrypted      = true
  internet_max_bandwidth_out = 0
  http_tokens                = "required"
  deletion_protection        = true
  user_data                  = base64encode(module.first_boot.user_data)
}

resource "alicloud_ecs_disk_attachment" "data" {
  disk_id     = alicloud_ecs_disk.data.id
  instance_id = alicloud_instance.node.id
}

resource "alicloud_eip_address" "node" {
  address_name         = var.name
  bandwidth            = "20"
  internet_charge_type = "PayByTraffic"
}

resource "alicloud_eip_association" "node" {
  allocation_id = alicloud_eip_address.node.id
  instance_id   = alicloud_instance.node.id
}
