using Accelerated.Agent.Datapath.Lanes.Survey;

namespace Accelerated.System.Tests.Survey;

/// <summary>IPsec policies as <c>ip xfrm</c> makes them: what must be encrypted must never become plain.</summary>
public sealed class IpsecTests : IDisposable
{
    private const string Esp = "tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 1 mode transport";

    private readonly SurveyHost _host = new();

    public void Dispose() => _host.Dispose();

    [Theory]
    [InlineData("src 192.0.2.1 dst 192.0.2.2 dir out " + Esp)]
    [InlineData("src 192.0.2.2 dst 192.0.2.1 dir in " + Esp)]
    [InlineData("src 192.0.2.0/24 dst 192.0.2.0/24 dir out " + Esp)]
    [InlineData("src 192.0.2.1 dst 192.0.2.3 proto udp dir out " + Esp)]
    [InlineData("src 192.0.2.1 dst 192.0.2.3 proto udp dport 8472 dir out " + Esp)]
    [InlineData("src 192.0.2.1 dst 192.0.2.3 proto udp sport 4000 dir out " + Esp)]
    [InlineData("src 0.0.0.0/0 dst 0.0.0.0/0 dev eth0 dir out " + Esp)]
    [InlineData("src 0.0.0.0/0 dst 0.0.0.0/0 dir in " + Esp)]
    [InlineData("src 192.0.2.1 dst 192.0.2.2 dir out action block")]
    [InlineData("src 192.0.2.1 dst 192.0.2.2 dir out mark 7 mask 0xff " + Esp)]
    public void Policy_ThatMatchesWhatTheDriverCarries_TurnsTheLanesOff(string policy)
    {
        _host.Namespace.Ip("xfrm policy add " + policy);

        var survey = _host.Look();

        var reason = Assert.Single(survey.LanesOff);
        Assert.StartsWith("ipsec: the policy src ", reason, StringComparison.Ordinal);

        _host.Namespace.Ip("xfrm policy flush");
        AssertOpen(_host.Look());
    }

    [Theory]
    [InlineData("src 192.0.2.1 dst 192.0.2.9 dir out " + Esp)]
    [InlineData("src 192.0.2.2 dst 192.0.2.1 dir out " + Esp)]
    [InlineData("src 192.0.2.1 dst 192.0.2.2 dir fwd " + Esp)]
    [InlineData("src 192.0.2.1 dst 192.0.2.2 proto tcp dir out " + Esp)]
    [InlineData("src 192.0.2.1 dst 192.0.2.2 proto udp dport 500 dir out " + Esp)]
    [InlineData("src 192.0.2.1 dst 192.0.2.2 dev docker0 dir out " + Esp)]
    [InlineData("src 192.0.2.1 dst 192.0.2.2 dir out if_id 5 " + Esp)]
    [InlineData("src 192.0.2.1 dst 192.0.2.2 dir out")]
    [InlineData("src 2001:db8::1 dst 2001:db8::2 dir out tmpl src 2001:db8::1 dst 2001:db8::2 proto esp reqid 1 mode transport")]
    public void Policy_ForOtherPackets_LeavesTheLanesOn(string policy)
    {
        _host.Namespace.Ip("xfrm policy add " + policy);

        Assert.Empty(_host.Look().LanesOff);
    }

    [Theory]
    [InlineData(100, false)]
    [InlineData(300, true)]
    public void Policy_ThatPassesAndComesFirst_Decides(int priority, bool off)
    {
        _host.Namespace.Ip("xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir out priority 200 " + Esp);
        _host.Namespace.Ip($"xfrm policy add src 192.0.2.0/24 dst 192.0.2.0/24 dir out priority {priority}");

        Assert.Equal(off, _host.Look().LanesOff.Count > 0);
    }

    [Theory]
    [InlineData("src 10.5.1.0/24 dst 10.5.2.0/24 dir out " + Esp)]
    [InlineData("src 10.5.0.0/16 dst 10.5.0.0/16 dir fwd " + Esp)]
    [InlineData("src 10.5.2.7 dst 10.5.1.7 proto tcp dport 80 dir fwd " + Esp)]
    public void Policy_ForWhatContainersSend_ClosesTheShortcut(string policy)
    {
        _host.Namespace.Ip("xfrm policy add " + policy);

        var survey = _host.Look();

        Assert.Empty(survey.LanesOff);
        Assert.StartsWith("ipsec: ", Assert.Single(survey.ShortcutOff), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("out block", 1, 0)]
    [InlineData("in block", 1, 0)]
    [InlineData("fwd block", 0, 1)]
    [InlineData("in accept fwd accept out accept", 0, 0)]
    public void Default_ThatBlocks_Counts(string defaults, int lanes, int shortcut)
    {
        _host.Namespace.Ip("xfrm policy setdefault " + defaults);

        var survey = _host.Look();

        Assert.Equal((lanes, shortcut), (survey.LanesOff.Count, survey.ShortcutOff.Count));
    }

    private static void AssertOpen(LaneSurvey survey)
    {
        Assert.Empty(survey.LanesOff);
        Assert.Empty(survey.TunnelInOff);
        Assert.Empty(survey.ShortcutOff);
    }
}
