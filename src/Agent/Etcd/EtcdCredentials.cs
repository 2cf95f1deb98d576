using Accelerated.Agent.Etcd.Proto;

namespace Accelerated.Agent.Etcd;

/// <summary>
/// User and password of etcd's own authentication, and the token etcd gave for them. Tokens are good on every member.
/// </summary>
internal sealed class EtcdCredentials(string user, string password) : IDisposable
{
    private readonly SemaphoreSlim _one = new(1, 1);

    // Null: none yet. "": etcd has authentication switched off, calls go without.
    private string? _token;

    /// <summary>The token to send; authenticates when there is none.</summary>
    /// <returns>The token; null when etcd has authentication switched off.</returns>
    internal async ValueTask<string?> GetTokenAsync(EtcdConnection connection, CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _token) is { } known)
            return NullIfEmpty(known);

        await _one.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            _token ??= await AuthenticateAsync(connection, cancellationToken).ConfigureAwait(false);
            return NullIfEmpty(_token);
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>Forgets a token that was refused, unless another call has already replaced it.</summary>
    internal void Discard(string? refused)
    {
        if (Volatile.Read(ref _token) is { } now && NullIfEmpty(now) == refused)
            _ = Interlocked.CompareExchange(ref _token, null, now);
    }

    /// <summary>
    /// Whether a refusal means that the token is missing, ended, unknown to that member (it was restarted) or older than the
    /// last change of users and roles.
    /// </summary>
    internal static bool IsStale(EtcdException e) =>
        e.Code == EtcdStatusCode.Unauthenticated
        || (e.ServerMessage is { } words
            && (words.Contains("user name is empty", StringComparison.Ordinal)
                || words.Contains("revision of auth store is old", StringComparison.Ordinal)));

    public void Dispose() => _one.Dispose();

    private async Task<string> AuthenticateAsync(EtcdConnection connection, CancellationToken cancellationToken)
    {
        try
        {
            var answer = await connection.CallAsync(
                EtcdMethods.Authenticate,
                new AuthenticateRequest { Name = user, Password = password },
                token: null,
                write: false,
                cancellationToken).ConfigureAwait(false);
            return answer.Token;
        }
        catch (EtcdException e) when (e.Code == EtcdStatusCode.FailedPrecondition
            && e.ServerMessage!.Contains("authentication is not enabled", StringComparison.Ordinal))
        {
            return "";
        }
        catch (EtcdException e) when (e.Code == EtcdStatusCode.InvalidArgument)
        {
            throw new EtcdException(
                $"{e.Message} (user '{user}'); check --etcd-username and --etcd-password",
                EtcdStatusCode.Unauthenticated,
                e.Endpoint,
                isTransient: false,
                e);
        }
    }

    private static string? NullIfEmpty(string token) => token.Length == 0 ? null : token;
}
