namespace Accelerated.System.Tests.Survey;

/// <summary>Matches and targets of iptables, through nf_tables and through x_tables: both must be read alike.</summary>
public sealed class IptablesMatchesTests : IDisposable
{
    private readonly SurveyHost _host = new();

    public void Dispose() => _host.Dispose();

    [Theory]
    [InlineData("-m limit --limit 5/sec -j ACCEPT", "-m limit", "limit")]
    [InlineData("-m hashlimit --hashlimit-name x --hashlimit-above 5/sec -j DROP", "-m hashlimit")]
    [InlineData("-m recent --name x --set", "-m recent")]
    [InlineData("-m statistic --mode random --probability 0.5 -j DROP", "-m statistic")]
    [InlineData("-m quota --quota 1000 -j ACCEPT", "-m quota")]
    [InlineData("-m connbytes --connbytes 1000: --connbytes-dir both --connbytes-mode bytes -j DROP", "-m connbytes")]
    [InlineData("-m connlimit --connlimit-above 5 -j DROP", "-m connlimit")]
    [InlineData("-m time --timestart 03:00 --timestop 04:00 -j DROP", "-m time")]
    [InlineData("-m length --length 1000: -j DROP", "-m length")]
    [InlineData("-m ttl --ttl-eq 3 -j DROP", "-m ttl")]
    [InlineData("-m dscp --dscp 8 -j DROP", "-m dscp")]
    [InlineData("-m string --string x --algo bm -j DROP", "-m string")]
    [InlineData("-m u32 --u32 0=0 -j DROP", "-m u32")]
    [InlineData("-m set --match-set known src -j DROP", "-m set (changes of an ipset are not announced)")]
    [InlineData("-m mac --mac-source 02:00:00:00:00:01 -j DROP", "-m mac")]
    [InlineData("-m conntrack --ctexpire 10 -j DROP", "-m conntrack --ctexpire")]
    [InlineData("-p tcp -m tcp --tcp-flags ACK,PSH PSH -j DROP", "tcp flags")]
    [InlineData("-p tcp -m tcp --tcp-option 8 -j DROP", "--tcp-option")]
    [InlineData("-j LOG", "-j LOG")]
    [InlineData("-j NFLOG", "-j NFLOG", "log")]
    [InlineData("-j NFQUEUE --queue-num 1", "queue")]
    [InlineData("-p tcp -m conntrack --ctstate NEW,ESTABLISHED -j LOG", "-j LOG")]
    [InlineData("-i docker0 -o flannel.1 -s 10.5.1.0/24 -d 10.5.0.0/16 -j LOG", "-j LOG")]
    [InlineData("-p tcp -m multiport --dports 80,1000:2000 -j LOG", "-j LOG")]
    public void Rule_ThatHasToSeeEveryPacket_ClosesTheShortcut(string rule, string what, string? throughNft = null)
    {
        _host.Namespace.Run("ipset", "create", "known", "hash:ip");
        foreach (var load in (Action<string>[])[_host.Legacy, _host.Iptables])
        {
            load(Forward(rule));

            var reason = Assert.Single(_host.Look().ShortcutOff);

            // iptables-nft writes some of them in nftables' own terms.
            Assert.Contains($"({(load == _host.Iptables ? throughNft ?? what : what)})", reason, StringComparison.Ordinal);
            load(Forward("-j ACCEPT"));
            Assert.Empty(_host.Look().ShortcutOff);
        }
    }

    [Theory]
    [InlineData("-m comment --comment \"all of it\" -j ACCEPT")]
    [InlineData("-m mark --mark 0x3/0xff -j DROP")]
    [InlineData("-m connmark --mark 0x3/0xff -j DROP")]
    [InlineData("-j CONNMARK --set-mark 3")]
    [InlineData("-j CONNMARK --save-mark")]
    [InlineData("-m conntrack --ctstate NEW -m connmark --mark 3 -j DROP")]
    [InlineData("-s 192.168.122.0/24 -m connmark --mark 3 -j DROP")]
    [InlineData("-m physdev --physdev-is-bridged -j ACCEPT")]
    [InlineData("-m iprange --src-range 10.5.1.1-10.5.1.9 -j DROP")]
    [InlineData("-m policy --dir in --pol ipsec -j ACCEPT")]
    [InlineData("-m addrtype --dst-type LOCAL -j LOG")]
    [InlineData("-m conntrack --ctstate NEW -m limit --limit 5/sec -j LOG")]
    [InlineData("-m conntrack --ctstate NEW,INVALID,UNTRACKED,RELATED -j LOG")]
    [InlineData("-m conntrack ! --ctstate ESTABLISHED -j LOG")]
    [InlineData("-m conntrack --ctstate DNAT -j LOG")]
    [InlineData("-m state --state NEW -m recent --name x --set")]
    [InlineData("-p tcp --syn -m hashlimit --hashlimit-name x --hashlimit-above 5/sec -j DROP")]
    [InlineData("-p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG FIN,PSH,URG -j LOG")]
    [InlineData("-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu")]
    [InlineData("-p icmp -m icmp --icmp-type 8 -m limit --limit 5/sec -j ACCEPT")]
    [InlineData("-o virbr0 -p udp -m udp --dport 68 -j LOG")]
    [InlineData("-s 192.168.122.0/24 -j LOG")]
    [InlineData("! -d 10.0.0.0/8 -j LOG")]
    [InlineData("-f -j LOG")]
    [InlineData("-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -j LOG")]
    public void Rule_ThatIsTheSameForAFlowOrForOthers_LeavesTheShortcutOpen(string rule)
    {
        foreach (var load in (Action<string>[])[_host.Legacy, _host.Iptables])
        {
            load(Forward(rule));
            Assert.Empty(_host.Look().ShortcutOff);
        }
    }

    [Theory]
    [InlineData("-t mangle -A POSTROUTING -j DSCP --set-dscp 8", true)]
    [InlineData("-t mangle -A POSTROUTING -j CLASSIFY --set-class 1:1", true)]
    [InlineData("-t mangle -A PREROUTING -j TTL --ttl-inc 1", true)]
    [InlineData("-t mangle -A PREROUTING -j TEE --gateway 192.0.2.9", true)]
    [InlineData("-t mangle -A PREROUTING -j MARK --set-mark 5", false)]
    [InlineData("-t mangle -A PREROUTING -j CONNMARK --restore-mark", true)]
    [InlineData("-t mangle -A PREROUTING -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff", false)]
    [InlineData("-t mangle -A PREROUTING -m connmark --mark 0x3 -j MARK --set-mark 3", true)]
    [InlineData("-t mangle -A PREROUTING -m connmark ! --mark 0x10000/0x10000 -j ACCEPT", true)]
    [InlineData("-t raw -A PREROUTING -p udp -m udp --dport 53 -j CT --notrack", false)]
    [InlineData("-t raw -A PREROUTING -m rpfilter --invert -j DROP", false)]
    [InlineData("-t nat -A PREROUTING -m statistic --mode random --probability 0.5 -p tcp -j DNAT --to-destination 10.5.1.2", false)]
    [InlineData("-t mangle -A POSTROUTING -o virbr0 -p udp -m udp --dport 68 -j CHECKSUM --checksum-fill", false)]
    public void Table_OtherThanFilter_CountsToo(string rule, bool closes)
    {
        foreach (var tool in (string[])["iptables-legacy", "iptables-nft"])
        {
            _host.Namespace.Run(tool, rule.Split(' '));
            Assert.Equal(closes, _host.Look().ShortcutOff.Count > 0);
            _host.Namespace.Run(tool, "-t", rule.Split(' ')[1], "-F");
            Assert.Empty(_host.Look().ShortcutOff);
        }
    }

    private static string Forward(string rule) => $"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD {rule}\nCOMMIT\n";
}
