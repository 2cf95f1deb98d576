namespace Accelerated.System.Tests.Survey;

/// <summary>What widespread programs write must not cost anybody the lanes, unless it forbids the overlay's packets.</summary>
public sealed class RuleSetTests : IDisposable
{
    private readonly SurveyHost _host = new();

    public void Dispose() => _host.Dispose();

    [Theory]
    [InlineData(nameof(RuleSets.Docker20), false)]
    [InlineData(nameof(RuleSets.Docker20), true)]
    [InlineData(nameof(RuleSets.Docker28), false)]
    [InlineData(nameof(RuleSets.Docker28), true)]
    [InlineData(nameof(RuleSets.KubeProxy), false)]
    [InlineData(nameof(RuleSets.KubeProxy), true)]
    public void OrdinaryRules_OfDockerAndKubeProxy_CloseNothing(string name, bool legacy)
    {
        var rules = name switch { nameof(RuleSets.Docker20) => RuleSets.Docker20, nameof(RuleSets.Docker28) => RuleSets.Docker28, _ => RuleSets.KubeProxy };
        if (legacy)
            _host.Legacy(rules);
        else
            _host.Iptables(rules);

        var survey = _host.Look();

        Assert.Empty(survey.LanesOff);
        Assert.Empty(survey.TunnelInOff);
        Assert.Empty(survey.ShortcutOff);
        Assert.Empty(survey.ShortcutOffByInterface);
        Assert.True(survey.ConntrackInUse);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void OrdinaryRules_WithOneThatLimits_NameThatOne(bool legacy)
    {
        var rules = RuleSets.Docker28.Replace("-A DOCKER-FORWARD -j DOCKER-CT\n", "-A DOCKER-FORWARD -p tcp -m hashlimit --hashlimit-name x --hashlimit-above 5/sec -j DROP\n-A DOCKER-FORWARD -j DOCKER-CT\n", StringComparison.Ordinal);
        if (legacy)
            _host.Legacy(rules);
        else
            _host.Iptables(rules);

        var survey = _host.Look();

        var reason = Assert.Single(survey.ShortcutOff);
        Assert.Contains("-m hashlimit", reason, StringComparison.Ordinal);
        Assert.Contains(legacy ? "(iptables-legacy -t filter -S DOCKER-FORWARD 1)" : "table ip filter, chain DOCKER-FORWARD, handle", reason, StringComparison.Ordinal);
        Assert.Empty(survey.LanesOff);
    }

    [Theory]
    [InlineData("-A ufw-user-input -p udp -m udp --dport 8472 -j ACCEPT", false, 0)]
    [InlineData("-A ufw-user-input -p udp -m udp --dport 8472 -j ACCEPT", true, 0)]
    [InlineData("-A ufw-user-input -s 192.0.2.0/24 -p udp -m multiport --dports 8285,8472 -j ACCEPT", false, 0)]
    [InlineData("-A ufw-user-input -s 192.0.2.2/32 -p udp -m udp --dport 8472 -j ACCEPT\n-A ufw-user-input -s 192.0.2.3/32 -p udp -m udp --dport 8472 -j ACCEPT", false, 0)]
    [InlineData("-A ufw-user-input -s 192.0.2.2/32 -p udp -m udp --dport 8472 -j ACCEPT", false, 1)]
    [InlineData("", false, 1)]
    [InlineData("", true, 1)]
    public void Ufw_WithTheOverlaysPortOpenOrNot_KeepsProgramsFromDecapsulatingWhatItDrops(string userInput, bool legacy, int reasons)
    {
        var rules = RuleSets.Ufw(userInput);
        if (legacy)
            _host.Legacy(rules);
        else
            _host.Iptables(rules);

        var survey = _host.Look();

        Assert.Equal(reasons, survey.TunnelInOff.Count);
        Assert.All(survey.TunnelInOff, r => Assert.Contains("policy of chain INPUT", r, StringComparison.Ordinal));
        Assert.Empty(survey.LanesOff);
        Assert.Empty(survey.ShortcutOff);
    }

    [Theory]
    [InlineData("udp dport 8472 ct state { new, untracked } accept", 0)]
    [InlineData("ip saddr 192.0.2.0/24 accept", 0)]
    [InlineData("ip saddr { 192.0.2.2, 192.0.2.3 } udp dport { 53, 8000-9000 } accept", 0)]
    [InlineData("udp dport 4789 accept", 1)]
    public void Firewalld_WithTheOverlaysPortOpenOrNot_KeepsProgramsFromDecapsulatingWhatItDrops(string publicAllow, int reasons)
    {
        _host.Nft(RuleSets.Firewalld(publicAllow));

        var survey = _host.Look();

        Assert.Equal(reasons, survey.TunnelInOff.Count);
        Assert.All(survey.TunnelInOff, r => Assert.Contains("chain filter_IN_public", r, StringComparison.Ordinal));
        Assert.Empty(survey.LanesOff);
        Assert.Empty(survey.ShortcutOff);
    }
}
