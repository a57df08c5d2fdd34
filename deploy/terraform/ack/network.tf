resource "alicloud_vpc" "main" {
  vpc_name   = var.name
  cidr_block = var.vpc_cidr
}

resource "alicloud_vswitch" "machines" {
  count        = length(var.zones)
  vpc_id       = alicloud_vpc.main.id
  zone_id      = var.zones[count.index]
  cidr_block   = cidrsubnet(var.vpc_cidr, 4, count.index)
  vswitch_name = "${var.name}-machines-${count.index}"
}

resource "alicloud_vswitch" "pods" {
  count        = length(var.zones)
  vpc_id       = alicloud_vpc.main.id
  zone_id      = var.zones[count.index]
  cidr_block   = cidrsubnet(var.vpc_cidr, 4, 8 + count.index)
  vswitch_name = "${var.name}-pods-${count.index}"
}

resource "alicloud_security_group" "kafka" {
  security_group_name = "${var.name}-kafka"
  vpc_id              = alicloud_vpc.main.id
}

resource "alicloud_security_group_rule" "kafka" {
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "9094/9094"
  cidr_ip           = var.vpc_cidr
  security_group_id = alicloud_security_group.kafka.id
  description       = "SASL over TLS, from the network alone"
}
