using System.Reflection;
using Accelerated.Agent.Systemd;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent.Tests.Systemd;

public sealed partial class JournalLoggerTests
{
    private readonly List<IReadOnlyList<KeyValuePair<string, string>>> _sent = [];

    [Fact]
    public void Event_WithParts_BecomesFields()
    {
        var log = new JournalLogger("Accelerated.Agent.Reconcile.ReconcileLoop", "blue", Send);

        LogMoved(log, 7, "10.5.1.0/24");

        var fields = Assert.Single(_sent).ToDictionary();
        Assert.Equal("reconcile: 10.5.1.0/24 moved, 7 peers", fields["MESSAGE"]);
        Assert.Equal("4", fields["PRIORITY"]);
        Assert.Equal(MessageIds.Of(9001), fields["MESSAGE_ID"]);
        Assert.Equal("9001", fields["ACCELERATED_EVENT"]);
        Assert.Equal("10.5.1.0/24", fields["ACCELERATED_PUBLIC_IP"]);
        Assert.Equal("7", fields["ACCELERATED_PEERS"]);
        Assert.Equal("blue", fields["ACCELERATED_INSTANCE"]);
        Assert.Equal("accelerated", fields["SYSLOG_IDENTIFIER"]);
        Assert.All(fields.Keys, name => Assert.Matches("^[A-Z][A-Z0-9_]{0,63}$", name));
    }

    [Theory]
    [InlineData("Subnet", "ACCELERATED_SUBNET")]
    [InlineData("PublicIP", "ACCELERATED_PUBLIC_IP")]
    [InlineData("EtcdLease", "ACCELERATED_ETCD_LEASE")]
    [InlineData("{OriginalFormat}", null)]
    [InlineData("", null)]
    [InlineData("AnIncrediblyLongNameThatNobodyWouldEverGiveToAPlaceholderInAMessage", null)]
    public void Name_OfAPart_IsAFieldOrNothing(string name, string? field) => Assert.Equal(field, JournalLogger.Field(name));

    [Fact]
    public void Exception_Thrown_IsInTheMessage()
    {
        var log = new JournalLogger("Accelerated.Agent.AgentService", "default", Send);

        LogCrash(log, new InvalidOperationException("it broke"));

        var fields = Assert.Single(_sent).ToDictionary();
        Assert.StartsWith("agent: crash\nSystem.InvalidOperationException: it broke", fields["MESSAGE"], StringComparison.Ordinal);
        Assert.Equal("2", fields["PRIORITY"]);
    }

    /// <summary>People search by these: two events with one number would be one to them.</summary>
    [Fact]
    public void MessageIds_OfTheWholeAgent_AreDistinct()
    {
        var ids = typeof(MessageIds).Assembly.GetTypes()
            .SelectMany(t => t.GetMethods(BindingFlags.Instance | BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            .Select(m => m.GetCustomAttribute<LoggerMessageAttribute>()?.EventId).OfType<int>().ToList();

        Assert.NotEmpty(ids);
        Assert.Equal(ids.Distinct(), ids);
        Assert.All(ids, id => Assert.Matches("^[0-9a-f]{32}$", MessageIds.Of(id)));
        Assert.EndsWith("3008", MessageIds.Of(3008), StringComparison.Ordinal);
    }

    private bool Send(IReadOnlyList<KeyValuePair<string, string>> fields)
    {
        _sent.Add(fields);
        return true;
    }

    [LoggerMessage(9001, LogLevel.Warning, "{PublicIP} moved, {Peers} peers")]
    private static partial void LogMoved(ILogger log, int peers, string publicIP);

    [LoggerMessage(9002, LogLevel.Critical, "crash")]
    private static partial void LogCrash(ILogger log, Exception exception);
}
