namespace Accelerated.Agent.State;

/// <summary>How the connection to etcd is.</summary>
/// <param name="IsConnected">The last exchange succeeded.</param>
/// <param name="Endpoint">The member last spoken to, or null.</param>
/// <param name="Since">Since when it is so.</param>
/// <param name="Error">Why not, or null while connected.</param>
public sealed record EtcdHealth(bool IsConnected, string? Endpoint, DateTimeOffset Since, string? Error)
{
    /// <summary>Before the first attempt.</summary>
    public static readonly EtcdHealth NotTried = new(false, null, DateTimeOffset.MinValue, null);
}
