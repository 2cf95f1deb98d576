using Accelerated.Agent.Etcd;

namespace Accelerated.Agent.Tests.Etcd;

/// <summary>User and password against a real etcd.</summary>
public sealed class EtcdAuthenticationTests : IAsyncLifetime
{
    private EtcdProcess _etcd = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _etcd = await EtcdProcess.StartAsync("--auth-token-ttl=2", "--bcrypt-cost=4");

    public ValueTask DisposeAsync() => _etcd.DisposeAsync();

    [Fact]
    public async Task Call_WithUserAndPassword_DoesWhatTheUserMay()
    {
        await EnableAsync();
        await using var client = NewClient("node", "geheim");
        var revision = await client.PutAsync("/net/a", "v", 0, Ct);
        Assert.Single((await client.ListAsync("/net/", Ct)).Entries);
        await using var watch = client.WatchAsync("/net/", revision, Ct).GetAsyncEnumerator(Ct);
        Assert.Single(await Wait.EventsAsync(watch, 1));
        var grant = await client.GrantAsync(TimeSpan.FromSeconds(60), Ct);
        Assert.NotNull(await client.KeepAliveAsync(grant.Id, Ct));
        Assert.NotNull(await client.TimeToLiveAsync(grant.Id, Ct));
        await client.RevokeAsync(grant.Id, Ct);

        foreach (var forbidden in new Func<Task>[]
        {
            () => client.PutAsync("/other", "v", 0, Ct),
            () => client.GetAsync("/other", Ct),
            async () => await client.WatchAsync("/other", 0, Ct).GetAsyncEnumerator(Ct).MoveNextAsync(),
        })
        {
            var e = await Assert.ThrowsAsync<EtcdException>(forbidden);
            Assert.Equal((EtcdStatusCode.PermissionDenied, false, false), (e.Code, e.IsTransient, e.OutcomeUnknown));
            Assert.Contains("permission denied", e.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("node", "falsch-und-geheim")]
    [InlineData("nobody", "falsch-und-geheim")]
    public async Task Call_WithTheWrongPassword_SaysWhichFlags(string user, string password)
    {
        await EnableAsync();
        await using var client = NewClient(user, password);
        var e = await Assert.ThrowsAsync<EtcdException>(() => client.GetAsync("/net/a", Ct));
        Assert.Equal(
            $"etcd at {_etcd.Endpoint.GetLeftPart(UriPartial.Authority)}: etcdserver: authentication failed, invalid user ID or password " +
            $"(user '{user}'); check --etcd-username and --etcd-password",
            e.Message);
        Assert.Equal((EtcdStatusCode.Unauthenticated, false), (e.Code, e.IsTransient));
        Assert.DoesNotContain("geheim", e.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Call_WithoutAUserWhereOneIsNeeded_SaysSo()
    {
        await EnableAsync();
        await using var client = _etcd.NewClient();
        var e = await Assert.ThrowsAsync<EtcdException>(() => client.GetAsync("/net/a", Ct));
        Assert.Contains("user name is empty", e.Message, StringComparison.Ordinal);
        Assert.Contains("--etcd-username", e.Message, StringComparison.Ordinal);
        Assert.False(e.IsTransient);
    }

    [Fact]
    public async Task Call_WithATokenEtcdHasForgotten_AuthenticatesAgain()
    {
        await EnableAsync();
        await using var client = NewClient("node", "geheim");
        await client.PutAsync("/net/a", "v", 0, Ct);

        // Simple tokens do not outlive the process.
        _etcd.Kill();
        await _etcd.RestartAsync("--auth-token-ttl=2", "--bcrypt-cost=4");
        await client.PutAsync("/net/b", "v", 0, Ct);

        // A watch is refused with other words than a call.
        _etcd.Kill();
        await _etcd.RestartAsync("--auth-token-ttl=2", "--bcrypt-cost=4");
        await using var watch = client.WatchAsync("/net/", 0, Ct).GetAsyncEnumerator(Ct);
        Assert.True(await watch.MoveNextAsync());
    }

    [Fact]
    public async Task Call_AfterUsersChanged_GoesOn()
    {
        await EnableAsync();
        await using var client = NewClient("node", "geheim");
        await client.PutAsync("/net/a", "v", 0, Ct);
        await _etcd.CtlAsync("user", "add", "another:pw");
        await client.PutAsync("/net/a", "w", 0, Ct);
        Assert.Equal("w", (await client.GetAsync("/net/a", Ct)).Entries[0].Value);
    }

    [Fact]
    public async Task Call_WithAUserWhileAuthenticationIsOff_WorksBeforeAndAfterItIsSwitchedOn()
    {
        await using var client = NewClient("node", "geheim");
        await client.PutAsync("/net/a", "v", 0, Ct);
        await EnableAsync();
        await client.PutAsync("/net/b", "v", 0, Ct);
        await using var fresh = NewClient("node", "geheim");
        Assert.Equal(2, (await fresh.ListAsync("/net/", Ct)).Entries.Count);
    }

    private EtcdClient NewClient(string user, string password) => new(
        new EtcdClientOptions { Endpoints = [_etcd.Endpoint], Username = user, Password = password }, TimeProvider.System);

    private async Task EnableAsync()
    {
        await _etcd.CtlAsync("user", "add", "root:wurzel");
        await _etcd.CtlAsync("user", "add", "node:geheim");
        await _etcd.CtlAsync("role", "add", "net");
        await _etcd.CtlAsync("role", "grant-permission", "net", "readwrite", "/net/", "--prefix");
        await _etcd.CtlAsync("user", "grant-role", "node", "net");
        await _etcd.CtlAsync("user", "grant-role", "root", "root");
        await _etcd.CtlAsync("auth", "enable");
        _etcd.SetCtl("ETCDCTL_USER", "root:wurzel");
    }
}
