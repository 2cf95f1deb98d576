using System.Net;
using Accelerated.Agent.Etcd;
using Accelerated.Agent.State;

namespace Accelerated.Agent.Tests.Leases;

/// <summary>
/// How flannel gets and keeps a subnet, made from what is known of its behaviour (docs/flannel.md) with its defects: it puts its own lease
/// without looking at what is there, and it ends where it loses its lease or ten races.
/// </summary>
internal sealed class FlannelNode(string publicIP, AddressPlan plan, string prefix, IEtcdClient client, Random random)
{
    private const int Tries = 10;
    private const int Candidates = 100;
    private static readonly TimeSpan Ttl = TimeSpan.FromSeconds(86_400);

    internal string PublicIP => publicIP;

    /// <summary>FLANNEL_SUBNET of subnet.env, which outlives the process.</summary>
    internal IPNetwork? SubnetFile { get; set; }

    /// <summary>What the process believes to hold; null when it has ended.</summary>
    internal IPNetwork? Held { get; private set; }

    /// <summary>What it was about when it ended.</summary>
    internal string? End { get; private set; }

    private string Value => LeaseRig.Value(publicIP, $"02:00:00:00:01:{IPAddress.Parse(publicIP).GetAddressBytes()[3]:x2}");

    internal async Task StartAsync(CancellationToken cancellation)
    {
        (Held, End) = (null, null);
        for (var i = 0; i < Tries; i++)
        {
            if (await TryAcquireAsync(cancellation) is { } subnet)
            {
                Held = SubnetFile = subnet;
                return;
            }

            if (End is not null)
                return;
        }

        End = "lost ten races";
    }

    /// <summary>What a day brings: it is gone if its watch told of its lease's end, else it grants and puts anew.</summary>
    internal async Task RenewAsync(CancellationToken cancellation)
    {
        var key = Key(Held!.Value);
        if ((await client.GetAsync(key, cancellation)).Entries.Count == 0)
        {
            (Held, End) = (null, "lease revoked");
            return;
        }

        await PutAsync(key, cancellation);
    }

    private async Task<IPNetwork?> TryAcquireAsync(CancellationToken cancellation)
    {
        var listed = (await client.ListAsync($"{prefix}/subnets", cancellation)).Entries
            .Select(e => (Name: e.Key[$"{prefix}/subnets/".Length..], e.Value))
            .Where(e => SubnetKey.TryParse(e.Name, out _) && SubnetAttributes.TryParse(e.Value, out _, out _))
            .ToDictionary(e => e.Name, e => e.Value, StringComparer.Ordinal);
        var mine = listed.FirstOrDefault(e => e.Value.Contains($"\"PublicIP\":\"{publicIP}\"", StringComparison.Ordinal)).Key;
        if (mine is not null && SubnetKey.TryParse(mine, out var own))
        {
            if (own.IPv6 is null && plan.Fits(own.IPv4))
            {
                await PutAsync(Key(own.IPv4), cancellation);
                return own.IPv4;
            }

            await client.DeleteAsync($"{prefix}/subnets/{mine}", cancellation);
            listed.Remove(mine);
        }

        if (Choose(listed.Keys) is not { } subnet)
        {
            End = "out of subnets";
            return null;
        }

        var grant = await client.GrantAsync(Ttl, cancellation);
        var result = await client.TransactAsync(
            [EtcdCompare.Version(Key(subnet), 0)], [EtcdOperation.Put(Key(subnet), Value, grant.Id)], [], cancellation);
        if (result.Succeeded)
            return subnet;
        await client.RevokeAsync(grant.Id, cancellation);
        return null;
    }

    private IPNetwork? Choose(IEnumerable<string> names)
    {
        var taken = names.Select(n => SubnetKey.TryParse(n, out var key) ? key.IPv4 : default).ToList();
        if (SubnetFile is { } previous && plan.Fits(previous) && !taken.Contains(previous))
            return previous;
        var free = Subnets(plan).Where(s => taken.TrueForAll(t => !IPMath.Overlap(s, t))).Take(Candidates).ToList();
        return free.Count == 0 ? null : random.Pick(free);
    }

    /// <summary>Every subnet that may be handed out, in order.</summary>
    internal static IEnumerable<IPNetwork> Subnets(AddressPlan plan)
    {
        var size = IPMath.Size(plan.Network.BaseAddress.AddressFamily, plan.SubnetLength);
        for (var at = IPMath.ToNumber(plan.SubnetMin); at <= IPMath.ToNumber(plan.SubnetMax); at += size)
            yield return new IPNetwork(IPMath.ToAddress(at, plan.Network), plan.SubnetLength);
    }

    private async Task PutAsync(string key, CancellationToken cancellation)
    {
        var grant = await client.GrantAsync(Ttl, cancellation);
        await client.PutAsync(key, Value, grant.Id, cancellation);
    }

    private string Key(IPNetwork subnet) => $"{prefix}/subnets/{new SubnetKey(subnet, null)}";
}
