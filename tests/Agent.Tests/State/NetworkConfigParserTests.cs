using Accelerated.Agent.State;

namespace Accelerated.Agent.Tests.State;

/// <summary>Every key, default and check of the network configuration ("Config JSON" in docs/flannel.md).</summary>
public sealed class NetworkConfigParserTests
{
    private const string Backend = ""","Backend":{"Type":"vxlan"}}""";

    // The whole result in one line: IPv4 plan | IPv6 plan | backend.
    public static TheoryData<string, string> Accepted => new()
    {
        // Defaults, as the contract gives them.
        { """{"Network":"10.3.0.0/16","Backend":{"Type":"vxlan"}}""", "10.3.0.0/16 10.3.1.0-10.3.255.0 /24 | - | vxlan vni 1 port 8472" },
        { V6("""{"IPv6Network":"fc00::/48","""), "- | fc00::/48 fc00:0:0:1::-fc00:0:0:ffff:: /64 | vxlan vni 1 port 8472" },
        { """{"Network":"10.3.0.0/16","EnableIPv6":true,"IPv6Network":"fc00::/48","Backend":{"Type":"vxlan"}}""",
            "10.3.0.0/16 10.3.1.0-10.3.255.0 /24 | fc00::/48 fc00:0:0:1::-fc00:0:0:ffff:: /64 | vxlan vni 1 port 8472" },

        // Host bits are cleared.
        { """{"Network":"10.3.7.9/16" """ + Backend, "10.3.0.0/16 10.3.1.0-10.3.255.0 /24 | - | vxlan vni 1 port 8472" },
        { V6("""{"IPv6Network":"fc00::1:2/48","""), "- | fc00::/48 fc00:0:0:1::-fc00:0:0:ffff:: /64 | vxlan vni 1 port 8472" },

        // Subnet length when not given: 24 down to /22, then network + 2, down to /28.
        { """{"Network":"0.0.0.0/0" """ + Backend, "0.0.0.0/0 0.0.1.0-255.255.255.0 /24 | - | vxlan vni 1 port 8472" },
        { """{"Network":"10.0.0.0/8" """ + Backend, "10.0.0.0/8 10.0.1.0-10.255.255.0 /24 | - | vxlan vni 1 port 8472" },
        { """{"Network":"10.3.4.0/22" """ + Backend, "10.3.4.0/22 10.3.5.0-10.3.7.0 /24 | - | vxlan vni 1 port 8472" },
        { """{"Network":"10.3.4.0/23" """ + Backend, "10.3.4.0/23 10.3.4.128-10.3.5.128 /25 | - | vxlan vni 1 port 8472" },
        { """{"Network":"10.3.4.0/28" """ + Backend, "10.3.4.0/28 10.3.4.4-10.3.4.12 /30 | - | vxlan vni 1 port 8472" },
        { V6("""{"IPv6Network":"fc00::/62","""), "- | fc00::/62 fc00:0:0:1::-fc00:0:0:3:: /64 | vxlan vni 1 port 8472" },
        { V6("""{"IPv6Network":"fc00::/63","""), "- | fc00::/63 fc00::8000:0:0:0-fc00:0:0:1:8000:: /65 | vxlan vni 1 port 8472" },
        { V6("""{"IPv6Network":"fc00::/124","""), "- | fc00::/124 fc00::4-fc00::c /126 | vxlan vni 1 port 8472" },

        // Subnet length as given, to both ends of what is allowed; 0 is Go's "not given".
        { """{"Network":"10.3.0.0/16","SubnetLen":18""" + Backend, "10.3.0.0/16 10.3.64.0-10.3.192.0 /18 | - | vxlan vni 1 port 8472" },
        { """{"Network":"10.3.0.0/16","SubnetLen":30""" + Backend, "10.3.0.0/16 10.3.0.4-10.3.255.252 /30 | - | vxlan vni 1 port 8472" },
        { """{"Network":"10.3.0.0/16","SubnetLen":0""" + Backend, "10.3.0.0/16 10.3.1.0-10.3.255.0 /24 | - | vxlan vni 1 port 8472" },
        { V6("""{"IPv6Network":"fc00::/48","IPv6SubnetLen":50,"""), "- | fc00::/48 fc00:0:0:4000::-fc00:0:0:c000:: /50 | vxlan vni 1 port 8472" },
        { V6("""{"IPv6Network":"fc00::/124","IPv6SubnetLen":126,"""), "- | fc00::/124 fc00::4-fc00::c /126 | vxlan vni 1 port 8472" },

        // Bounds as given, the first subnet of the network included.
        { """{"Network":"10.3.0.0/16","SubnetMin":"10.3.0.0","SubnetMax":"10.3.9.0" """ + Backend, "10.3.0.0/16 10.3.0.0-10.3.9.0 /24 | - | vxlan vni 1 port 8472" },
        { """{"Network":"10.3.0.0/16","SubnetMin":"10.3.9.0" """ + Backend, "10.3.0.0/16 10.3.9.0-10.3.255.0 /24 | - | vxlan vni 1 port 8472" },
        { """{"Network":"10.3.0.0/16","SubnetMax":"10.3.9.0" """ + Backend, "10.3.0.0/16 10.3.1.0-10.3.9.0 /24 | - | vxlan vni 1 port 8472" },
        { """{"Network":"10.3.0.0/16","SubnetMin":"10.3.9.0","SubnetMax":"10.3.9.0" """ + Backend, "10.3.0.0/16 10.3.9.0-10.3.9.0 /24 | - | vxlan vni 1 port 8472" },
        { """{"Network":"10.3.0.0/16","SubnetMin":"","SubnetMax":"" """ + Backend, "10.3.0.0/16 10.3.1.0-10.3.255.0 /24 | - | vxlan vni 1 port 8472" },
        { V6("""{"IPv6Network":"fc00::/48","IPv6SubnetMin":"fc00:0:0:10::","IPv6SubnetMax":"fc00:0:0:2F::","""),
            "- | fc00::/48 fc00:0:0:10::-fc00:0:0:2f:: /64 | vxlan vni 1 port 8472" },

        // A family that is switched off is not looked at.
        { """{"Network":"10.3.0.0/16","IPv6Network":"nonsense","IPv6SubnetLen":"x" """ + Backend, "10.3.0.0/16 10.3.1.0-10.3.255.0 /24 | - | vxlan vni 1 port 8472" },
        { V6("""{"Network":"nonsense","SubnetLen":99,"IPv6Network":"fc00::/48","""), "- | fc00::/48 fc00:0:0:1::-fc00:0:0:ffff:: /64 | vxlan vni 1 port 8472" },

        // The backend.
        { """{"Network":"10.3.0.0/16","Backend":{"Type":"VXLAN","VNI":7,"Port":4789,"GBP":true,"DirectRouting":true,"Learning":true,"MTU":9000}}""",
            "10.3.0.0/16 10.3.1.0-10.3.255.0 /24 | - | vxlan vni 7 port 4789 gbp direct learning mtu 9000" },
        { """{"Network":"10.3.0.0/16","Backend":{"Type":"vxlan","VNI":0,"Port":0,"GBP":false,"DirectRouting":false,"Learning":false,"MTU":0}}""",
            "10.3.0.0/16 10.3.1.0-10.3.255.0 /24 | - | vxlan vni 1 port 8472" },
        { """{"Network":"10.3.0.0/16","Backend":{"Type":"vxlan","VNI":16777215,"Port":65535,"MTU":65535}}""",
            "10.3.0.0/16 10.3.1.0-10.3.255.0 /24 | - | vxlan vni 16777215 port 65535 mtu 65535" },
        { """{"Network":"10.3.0.0/16","Backend":{"Type":"vxlan","MTU":626}}""", "10.3.0.0/16 10.3.1.0-10.3.255.0 /24 | - | vxlan vni 1 port 8472 mtu 626" },
        { """{"Network":"10.3.0.0/16","Backend":{"Type":"Ali-VPC"}}""", "10.3.0.0/16 10.3.1.0-10.3.255.0 /24 | - | ali-vpc vni 1 port 8472" },

        // Go's rules: names without regard to case, the last of two wins, null says nothing, what is unknown is ignored.
        { """{"nEtWoRk":"10.3.0.0/16","SUBNETLEN":26,"backend":{"TYPE":"vxlan","vni":9,"Mtu":1500,"directrouting":true}}""",
            "10.3.0.0/16 10.3.0.64-10.3.255.192 /26 | - | vxlan vni 9 port 8472 direct mtu 1500" },
        { """{"Network":"10.9.0.0/16","SubnetLen":26,"network":"10.3.0.0/16","subnetlen":25,"Backend":{"Type":"udp"},"backend":{"Type":"vxlan"}}""",
            "10.3.0.0/16 10.3.0.128-10.3.255.128 /25 | - | vxlan vni 1 port 8472" },
        { """{"Network":"10.3.0.0/16","network":null,"EnableIPv4":null,"SubnetLen":null,"SubnetMin":null,"Backend":{"Type":"vxlan","VNI":null}}""",
            "10.3.0.0/16 10.3.1.0-10.3.255.0 /24 | - | vxlan vni 1 port 8472" },
        { """{"EnableNFTables":"yes","Remark":{"deep":[1,{"er":null}]},"Network":"10.3.0.0/16","Backend":{"Type":"vxlan","Colour":"red"}}""",
            "10.3.0.0/16 10.3.1.0-10.3.255.0 /24 | - | vxlan vni 1 port 8472" },
        { "\t{ \"Network\" :\n\"10.3.0.0\\/16\", \"Backend\": {\"Type\":\"v\\u0078lan\"} }\r\n ", "10.3.0.0/16 10.3.1.0-10.3.255.0 /24 | - | vxlan vni 1 port 8472" },
    };

    // The whole message. It begins with the key at fault, if it is one key.
    public static TheoryData<string, string> Refused => new()
    {
        { """{"Backend":{"Type":"vxlan"}}""",
            """Network is missing: name the overlay network, for example {"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}""" },
        { """{"EnableIPv4":false""" + Backend, "EnableIPv4 and EnableIPv6 are both false: enable one" },
        { """{"Network":"10.3.0.0/16","EnableIPv6":true""" + Backend,
            """IPv6Network is missing: name the overlay network, for example {"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}""" },
        { """{"Network":"10.3.0.0" """ + Backend, "Network \"10.3.0.0\" is not a network in CIDR notation: write for example 10.5.0.0/16" },
        { """{"Network":"10.3.0.0/33" """ + Backend, "Network \"10.3.0.0/33\" is not a network in CIDR notation: write for example 10.5.0.0/16" },
        { """{"Network":"10.3.0.0/-1" """ + Backend, "Network \"10.3.0.0/-1\" is not a network in CIDR notation: write for example 10.5.0.0/16" },
        { """{"Network":"10.3.0.0/16 " """ + Backend, "Network \"10.3.0.0/16 \" is not a network in CIDR notation: write for example 10.5.0.0/16" },
        { """{"Network":"" """ + Backend, "Network \"\" is not a network in CIDR notation: write for example 10.5.0.0/16" },
        { """{"Network":"fc00::/48" """ + Backend, "Network \"fc00::/48\" is not a network in CIDR notation: write for example 10.5.0.0/16" },

        // inet_aton's short and octal forms are other addresses than a reader thinks; Go refuses them.
        { """{"Network":"10.3/16" """ + Backend, "Network \"10.3/16\" is not a network in CIDR notation: write for example 10.5.0.0/16" },
        { """{"Network":"010.3.0.0/16" """ + Backend, "Network \"010.3.0.0/16\" is not a network in CIDR notation: write for example 10.5.0.0/16" },
        { """{"Network":"0xa.3.0.0/16" """ + Backend, "Network \"0xa.3.0.0/16\" is not a network in CIDR notation: write for example 10.5.0.0/16" },
        { V6("""{"IPv6Network":"10.3.0.0/16","""), "IPv6Network \"10.3.0.0/16\" is not a network in CIDR notation: write for example fd00:42::/48" },
        { V6("""{"IPv6Network":"fe80::%1/64","""), "IPv6Network \"fe80::%1/64\" is not a network in CIDR notation: write for example fd00:42::/48" },
        { V6("""{"IPv6Network":"[fc00::]/48","""), "IPv6Network \"[fc00::]/48\" is not a network in CIDR notation: write for example fd00:42::/48" },
        { V6("""{"IPv6Network":"fc00::/129","""), "IPv6Network \"fc00::/129\" is not a network in CIDR notation: write for example fd00:42::/48" },

        { """{"Network":"10.3.4.0/29" """ + Backend, "Network 10.3.4.0/29 is too small to be cut into subnets: use /28 or a larger network" },
        { V6("""{"IPv6Network":"fc00::/125","""), "IPv6Network fc00::/125 is too small to be cut into subnets: use /124 or a larger network" },
        { """{"Network":"10.3.0.0/16","SubnetLen":31""" + Backend, "SubnetLen 31 leaves no room for containers: use 30 or less" },
        { V6("""{"IPv6Network":"fc00::/48","IPv6SubnetLen":127,"""), "IPv6SubnetLen 127 leaves no room for containers: use 126 or less" },
        { """{"Network":"10.3.0.0/16","SubnetLen":17""" + Backend,
            "SubnetLen 17 cuts Network 10.3.0.0/16 into fewer than four subnets: use 18 or more" },
        { V6("""{"IPv6Network":"fc00::/48","IPv6SubnetLen":49,"""),
            "IPv6SubnetLen 49 cuts IPv6Network fc00::/48 into fewer than four subnets: use 50 or more" },
        { """{"Network":"10.3.0.0/16","SubnetLen":-1""" + Backend, "SubnetLen is -1: expected a whole number from 0 to 128, without quotes" },
        { """{"Network":"10.3.0.0/16","SubnetLen":24.0""" + Backend, "SubnetLen is 24.0: expected a whole number from 0 to 128, without quotes" },
        { """{"Network":"10.3.0.0/16","SubnetLen":"24" """ + Backend, "SubnetLen is \"24\": expected a whole number from 0 to 128, without quotes" },

        { """{"Network":"10.3.0.0/16","SubnetMin":"10.4.1.0" """ + Backend, "SubnetMin 10.4.1.0 is not inside Network 10.3.0.0/16" },
        { """{"Network":"10.3.0.0/16","SubnetMax":"10.4.1.0" """ + Backend, "SubnetMax 10.4.1.0 is not inside Network 10.3.0.0/16" },
        { """{"Network":"10.3.0.0/16","SubnetMin":"10.3.1.128" """ + Backend,
            "SubnetMin 10.3.1.128 is not the first address of a /24 subnet (SubnetLen is 24)" },
        { """{"Network":"10.3.0.0/16","SubnetLen":20,"SubnetMax":"10.3.8.0" """ + Backend,
            "SubnetMax 10.3.8.0 is not the first address of a /20 subnet (SubnetLen is 20)" },
        { """{"Network":"10.3.0.0/16","SubnetMin":"10.3.9.0","SubnetMax":"10.3.8.0" """ + Backend,
            "SubnetMin 10.3.9.0 is above SubnetMax 10.3.8.0: no subnet can be allocated" },
        { """{"Network":"10.3.0.0/16","SubnetMax":"10.3.0.0" """ + Backend,
            "SubnetMin 10.3.1.0 is above SubnetMax 10.3.0.0: no subnet can be allocated" },
        { """{"Network":"10.3.0.0/16","SubnetMin":"10.3.1" """ + Backend, "SubnetMin \"10.3.1\" is not an IPv4 address" },
        { """{"Network":"10.3.0.0/16","SubnetMin":"fc00::" """ + Backend, "SubnetMin \"fc00::\" is not an IPv4 address" },
        { """{"Network":"10.3.0.0/16","SubnetMin":10""" + Backend, "SubnetMin is 10: expected text in quotes" },
        { V6("""{"IPv6Network":"fc00::/48","IPv6SubnetMin":"10.3.1.0","""), "IPv6SubnetMin \"10.3.1.0\" is not an IPv6 address" },
        { V6("""{"IPv6Network":"fc00::/48","IPv6SubnetMin":"fd00::","""), "IPv6SubnetMin fd00:: is not inside IPv6Network fc00::/48" },
        { V6("""{"IPv6Network":"fc00::/48","IPv6SubnetMax":"fc00::1","""),
            "IPv6SubnetMax fc00::1 is not the first address of a /64 subnet (IPv6SubnetLen is 64)" },

        { """{"Network":"10.3.0.0/16","EnableIPv4":"true" """ + Backend, "EnableIPv4 is \"true\": expected true or false, without quotes" },
        { """{"Network":"10.3.0.0/16","EnableIPv6":1""" + Backend, "EnableIPv6 is 1: expected true or false, without quotes" },
        { """{"Network":["10.3.0.0/16"]""" + Backend, "Network is [\"10.3.0.0/16\"]: expected text in quotes" },

        { """{"Network":"10.3.0.0/16","Backend":"vxlan"}""", "Backend is \"vxlan\": expected an object in braces" },
        { """{"Network":"10.3.0.0/16","Backend":{}}""", """Backend.Type is missing: write "Backend":{"Type":"vxlan"}""" },
        { """{"Network":"10.3.0.0/16","Backend":{"Type":""}}""", """Backend.Type is missing: write "Backend":{"Type":"vxlan"}""" },
        { """{"Network":"10.3.0.0/16","Backend":{"Type":7}}""", "Backend.Type is 7: expected text in quotes" },
        { """{"Network":"10.3.0.0/16","Backend":{"Type":"vxlan","VNI":16777216}}""",
            "Backend.VNI is 16777216: expected a whole number from 0 to 16777215, without quotes" },
        { """{"Network":"10.3.0.0/16","Backend":{"Type":"vxlan","Port":65536}}""",
            "Backend.Port is 65536: expected a whole number from 0 to 65535, without quotes" },
        { """{"Network":"10.3.0.0/16","Backend":{"Type":"vxlan","MTU":-5}}""",
            "Backend.MTU is -5: expected a whole number from 0 to 65535, without quotes" },
        { """{"Network":"10.3.0.0/16","Backend":{"Type":"vxlan","MTU":625}}""",
            "Backend.MTU 625 leaves less than the 576 bytes every IPv4 host must accept: use 626 or more, or leave the key out" },
        { """{"Network":"10.3.0.0/16","Backend":{"Type":"vxlan","GBP":"no"}}""", "Backend.GBP is \"no\": expected true or false, without quotes" },
        { """{"Network":"10.3.0.0/16","Backend":{"Type":"vxlan","DirectRouting":0}}""",
            "Backend.DirectRouting is 0: expected true or false, without quotes" },
        { """{"Network":"10.3.0.0/16","Backend":{"Type":"vxlan","Learning":[]}}""", "Backend.Learning is []: expected true or false, without quotes" },

        { "", """the config is not JSON (line 1, byte 1): write for example {"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}""" },
        { "{\n  \"Network\": 10.3.0.0/16\n}",
            """the config is not JSON (line 2, byte 18): write for example {"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}""" },
        { "[]", """the config is not a JSON object: write for example {"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}""" },
        { "null", """the config is not a JSON object: write for example {"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}""" },
    };

    public static TheoryData<string> Networks => [.. Fixtures.Networks];

    [Theory]
    [MemberData(nameof(Accepted))]
    public void Parse_OfAValidConfig_FillsInFlannelsDefaults(string json, string expected) =>
        Assert.Equal(expected, InWords(NetworkConfigParser.Parse(json)));

    [Theory]
    [MemberData(nameof(Refused))]
    public void Parse_OfAnInvalidConfig_NamesTheKeyAndTheRemedy(string json, string expected) =>
        Assert.Equal(expected, Assert.Throws<NetworkConfigException>(() => NetworkConfigParser.Parse(json)).Message);

    [Theory]
    [MemberData(nameof(Networks))]
    public void Parse_OfAConfigThatFlannelRanOn_Succeeds(string network)
    {
        var config = NetworkConfigParser.Parse(Fixtures.Config(network));

        Assert.Empty(config.Warnings);
        Assert.Equal("10.5.0.0/16", config.IPv4!.Network.ToString());
        foreach (var (name, _) in Fixtures.Leases(network))
        {
            Assert.True(SubnetKey.TryParse(name, out var key));
            Assert.True(config.IPv4.Fits(key.IPv4), $"{key.IPv4} was allocated by flannel");
            Assert.True(key.IPv6 is null == config.IPv6 is null);
            Assert.True(key.IPv6 is null || config.IPv6!.Fits(key.IPv6.Value), $"{key.IPv6} was allocated by flannel");
        }
    }

    [Fact]
    public void Parse_WithoutBackend_AssumesVxlanAndSaysSo()
    {
        foreach (var json in new[] { """{"Network":"10.3.0.0/16"}""", """{"Network":"10.3.0.0/16","Backend":null}""" })
        {
            var config = NetworkConfigParser.Parse(json);
            Assert.Equal("10.3.0.0/16 10.3.1.0-10.3.255.0 /24 | - | vxlan vni 1 port 8472", InWords(config));
            Assert.Equal("""Backend is missing: vxlan is assumed; write "Backend":{"Type":"vxlan"} to say so""", Assert.Single(config.Warnings));
            Assert.Equal(json, config.Source);
        }
    }

    private static string V6(string start) => start + "\"EnableIPv4\":false,\"EnableIPv6\":true" + Backend;

    private static string InWords(NetworkConfig config)
    {
        var b = config.Backend;
        return $"{Plan(config.IPv4)} | {Plan(config.IPv6)} | {b.Type} vni {b.Vni} port {b.Port}"
            + $"{(b.Gbp ? " gbp" : "")}{(b.DirectRouting ? " direct" : "")}{(b.Learning ? " learning" : "")}{(b.Mtu > 0 ? $" mtu {b.Mtu}" : "")}";

        static string Plan(AddressPlan? plan) =>
            plan is null ? "-" : $"{plan.Network} {plan.SubnetMin}-{plan.SubnetMax} /{plan.SubnetLength}";
    }
}
