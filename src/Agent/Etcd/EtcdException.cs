namespace Accelerated.Agent.Etcd;

/// <summary>
/// A call to etcd failed. The message names the endpoint and the reason in an operator's words
/// ("etcd at http://192.0.2.250:2379: connection refused") and never a secret.
/// </summary>
public class EtcdException : Exception
{
    /// <summary>Makes one.</summary>
    /// <param name="message">The whole message, endpoint included.</param>
    /// <param name="code">Why it failed.</param>
    /// <param name="endpoint">Where; null when several endpoints failed.</param>
    /// <param name="isTransient">Whether the same call may succeed later without anyone changing a setting.</param>
    /// <param name="inner">What lies underneath, if anything.</param>
    public EtcdException(string message, EtcdStatusCode code, Uri? endpoint, bool isTransient, Exception? inner = null)
        : base(message, inner)
    {
        Code = code;
        Endpoint = endpoint;
        IsTransient = isTransient;
    }

    /// <summary>Why it failed.</summary>
    public EtcdStatusCode Code { get; }

    /// <summary>The endpoint that failed; null when several did.</summary>
    public Uri? Endpoint { get; }

    /// <summary>
    /// The same call may succeed later without anyone changing a setting (etcd is down, has no leader, is slow).
    /// False for what a person must put right: credentials, certificates, a wrong address, a malformed request.
    /// </summary>
    public bool IsTransient { get; }

    /// <summary>
    /// The call was a write and may or may not have been applied. It was not sent again: read before writing once more.
    /// </summary>
    public bool OutcomeUnknown { get; init; }

    /// <summary>Another endpoint may answer where this one did not.</summary>
    internal bool IsEndpointFault { get; init; }

    /// <summary>etcd's own words, when it was etcd that refused.</summary>
    internal string? ServerMessage { get; init; }
}
