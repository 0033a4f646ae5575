//! The machine in an OVA, as XML.

use crate::profile::{MachineFirmware, Ova};
use crate::size::Size;

/// Name spaces of an envelope; `vmw` holds what VMware adds.
const ENVELOPE: &str = r#"<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
    xmlns:vmw="http://www.vmware.com/schema/ovf"
    xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">"#;
/// The format of the disk.
const DISK_FORMAT: &str = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized";
/// CIM_OperatingSystem: 64-bit Linux of any kind.
const LINUX: u32 = 101;
/// CIM_ResourceAllocationSettingData: types of what a machine has.
const PROCESSOR: u32 = 3;
const MEMORY: u32 = 4;
const SCSI: u32 = 6;
const NETWORK: u32 = 10;
const DISK: u32 = 17;
/// What the network is called that the machine is on, until somebody maps it to one.
const NETWORK_NAME: &str = "VM Network";

/// What is described.
pub struct Machine<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it has.
    pub hardware: &'a Ova,
    /// The disk's file, and its bytes.
    pub file: &'a str,
    pub stored: u64,
    /// Bytes of the disk.
    pub disk: u64,
}

impl Machine<'_> {
    /// The envelope.
    pub fn ovf(&self) -> String {
        let Ova { hardware, os, .. } = self.hardware;
        let (name, file) = (escaped(self.name), escaped(self.file));
        let firmware = match self.hardware.firmware {
            MachineFirmware::Efi => "efi",
            MachineFirmware::Bios => "bios",
        };
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
{ENVELOPE}
  <References>
    <File ovf:href="{file}" ovf:id="file1" ovf:size="{stored}"/>
  </References>
  <DiskSection>
    <Info>The disks of the machine</Info>
    <Disk ovf:capacity="{disk}" ovf:capacityAllocationUnits="byte" ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:format="{DISK_FORMAT}"/>
  </DiskSection>
  <NetworkSection>
    <Info>The networks of the machine</Info>
    <Network ovf:name="{NETWORK_NAME}">
      <Description>The network of the first interface</Description>
    </Network>
  </NetworkSection>
  <VirtualSystem ovf:id="{name}">
    <Info>A machine</Info>
    <Name>{name}</Name>
    <OperatingSystemSection ovf:id="{LINUX}" vmw:osType="{os}">
      <Info>The operating system</Info>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>The hardware</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{name}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>{hardware}</vssd:VirtualSystemType>
      </System>
{items}      <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="{firmware}"/>
    </VirtualHardwareSection>
{product}  </VirtualSystem>
</Envelope>
"#,
            stored = self.stored,
            disk = self.disk,
            os = escaped(os),
            hardware = escaped(hardware),
            items = self.items(),
            product = self.product(),
        )
    }

    /// The devices; within each, elements are in the order of the alphabet, as the schema has them.
    fn items(&self) -> String {
        let Ova { cpus, memory, controller, network, .. } = self.hardware;
        let memory = memory.bytes() / Size::MIB;
        let kind = |kind: u32| ("ResourceType", kind.to_string());
        let named = |name: &str, id: u32| [("ElementName", name.to_owned()), ("InstanceID", id.to_string())];
        let [cpu_name, cpu_id] = named(&format!("{cpus} virtual CPUs"), 1);
        let [memory_name, memory_id] = named(&format!("{memory} MB of memory"), 2);
        let [controller_name, controller_id] = named("SCSI controller 0", 3);
        let [disk_name, disk_id] = named("Hard disk 1", 4);
        let [network_name, network_id] = named("Network adapter 1", 5);
        let text = |key: &'static str, value: &str| (key, value.to_owned());
        let items = [
            vec![
                text("AllocationUnits", "hertz * 10^6"),
                cpu_name,
                cpu_id,
                kind(PROCESSOR),
                ("VirtualQuantity", cpus.to_string()),
            ],
            vec![
                text("AllocationUnits", "byte * 2^20"),
                memory_name,
                memory_id,
                kind(MEMORY),
                ("VirtualQuantity", memory.to_string()),
            ],
            vec![text("Address", "0"), controller_name, controller_id, text("ResourceSubType", controller), kind(SCSI)],
            vec![
                text("AddressOnParent", "0"),
                disk_name,
                text("HostResource", "ovf:/disk/vmdisk1"),
                disk_id,
                text("Parent", "3"),
                kind(DISK),
            ],
            vec![
                text("AddressOnParent", "7"),
                text("AutomaticAllocation", "true"),
                text("Connection", NETWORK_NAME),
                network_name,
                network_id,
                text("ResourceSubType", network),
                kind(NETWORK),
            ],
        ];
        let mut out = String::new();
        for item in items {
            out += "      <Item>\n";
            for (key, value) in item {
                out += &format!("        <rasd:{key}>{}</rasd:{key}>\n", escaped(&value));
            }
            out += "      </Item>\n";
        }
        out
    }

    fn product(&self) -> String {
        let Some(product) = &self.hardware.product else { return String::new() };
        let mut out = "    <ProductSection>\n      <Info>The product</Info>\n".to_owned();
        let name = Some(&product.name);
        let lines = [
            ("Product", name),
            ("Vendor", product.vendor.as_ref()),
            ("Version", product.version.as_ref()),
            ("ProductUrl", product.url.as_ref()),
        ];
        for (key, value) in lines.into_iter().filter_map(|(key, value)| value.map(|value| (key, value))) {
            out += &format!("      <{key}>{}</{key}>\n", escaped(value));
        }
        out + "    </ProductSection>\n"
    }
}

/// Text as XML has it, in elements and between quotes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            // What XML 1.0 cannot hold.
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}
